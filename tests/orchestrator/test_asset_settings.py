"""How assets look that `dagster.yml` says something of."""

from datetime import timedelta

import dagster as dg
import pytest
from dagster_kedro import DagsterKedroTranslator, KedroProject, build_definitions
from kedro_manifest.codec import write_manifest
from kedro_manifest.errors import OrchestrationError


@pytest.fixture
def shop(project, node):
    """A project whose `dagster.yml` says something of its assets."""

    def make(assets, **orchestration):
        return project(
            node("clean", ["raw"], ["clean"], tags=["daily"]),
            node("europe.north.fit", ["clean"], ["europe.north.model"], namespace="europe.north"),
            node("report", ["europe.north.model"], []),
            pipelines={
                "__default__": ["clean", "europe.north.fit", "report"],
                "train-all": ["europe.north.fit"],
            },
            orchestration={"assets": assets, **orchestration},
        )

    return make


@pytest.fixture
def specs(shop):
    """Return the assets of the loaded definitions by the keys that a user sees."""

    def specs_of(assets, translator=None, **orchestration):
        definitions = build_definitions(shop(assets, **orchestration), translator=translator)
        dg.Definitions.validate_loadable(definitions)
        return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}

    return specs_of


def test_everything_that_can_be_said(specs):
    """Each key under `assets.<pattern>` is seen on the asset in Dagster."""
    spec = specs(
        {
            "clean": {
                "owners": ["ann@example.com", "team:data"],
                "group_name": "core/tables",
                "tags": {"tier": "gold", "acme/domain": "sales"},
                "kinds": ["duckdb"],
                "description": "Rows without holes.",
                "metadata": {"sla": "by nine", "columns": ["a", "b"]},
                "freshness": {"fail_after_s": 7200, "warn_after_s": 3600},
                "automation": "eager",
            }
        }
    )["clean"]

    assert ["ann@example.com", "team:data"] == list(spec.owners)
    assert "core/tables" == spec.group_name
    assert {"tier": "gold", "acme/domain": "sales", "daily": ""}.items() <= spec.tags.items()
    assert {"kedro", "pandas", "csv", "duckdb"} == spec.kinds
    assert "Rows without holes." == spec.description
    assert "by nine" == spec.metadata["sla"]
    assert "clean" == spec.metadata["kedro/node"]
    window = dg.FreshnessPolicy.time_window(timedelta(hours=2), timedelta(hours=1))
    assert window == spec.freshness_policy
    assert dg.AutomationCondition.eager() == spec.automation_condition


def test_patterns_are_merged(specs):
    """All patterns that match count: lists and mappings grow, else the most specific one wins."""
    found = specs(
        {
            "*": {"owners": ["team:data"], "tags": {"tier": "bronze", "x": "1"}, "kinds": ["k"]},
            "europe.*": {"owners": ["team:eu"], "tags": {"tier": "silver"}, "description": "Eu."},
            "europe.*.model": {"tags": {"tier": "gold"}},
            "report": {"description": "What the board reads."},
        }
    )

    model = found["europe/north/model"]
    assert ["team:data", "team:eu"] == list(model.owners)
    assert {"tier": "gold", "x": "1"} == {key: model.tags[key] for key in ("tier", "x")}
    assert "Eu." == model.description
    assert ["team:data"] == list(found["clean"].owners)
    assert "What the board reads." == found["report"].description
    assert {"kedro", "node", "k"} == found["report"].kinds


def test_free_inputs_too(specs):
    """An input has no node, but owners, tags and a group like any other asset."""
    raw = specs({"raw": {"owners": ["team:crm"], "group_name": "outside", "tags": {"a": "b"}}})[
        "raw"
    ]

    assert (["team:crm"], "outside") == (list(raw.owners), raw.group_name)
    assert "b" == raw.tags["a"]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{namespace}", {"europe/north/model": "europe/north", "clean": "default"}),
        ("ml/{namespace}", {"europe/north/model": "ml/europe/north", "clean": "ml"}),
        ("{pipeline}/x", {"europe/north/model": "trainU_2d_Uall/x", "clean": "x"}),
    ],
)
def test_group_names(specs, template, expected):
    """Placeholders are those of the node; a level that would be empty is left out."""
    found = specs({"*": {"group_name": template}})

    assert expected == {key: found[key].group_name for key in expected}


def test_deadlines(specs):
    """`deadline_cron` makes a policy by deadline."""
    said = {"deadline_cron": "0 9 * * *", "lower_bound_s": 3600, "timezone": "Europe/Berlin"}
    policy = specs({"clean": {"freshness": said}})["clean"].freshness_policy

    assert dg.FreshnessPolicy.cron("0 9 * * *", timedelta(hours=1), "Europe/Berlin") == policy


def test_conditions(specs, monkeypatch, tmp_path):
    """A condition is one of Dagster's own, or one that a module beside Dagster defines."""
    (tmp_path / "shop_conditions.py").write_text(
        "import dagster as dg\nclass Ours:\n    weekly = dg.AutomationCondition.on_cron('@weekly')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = specs(
        {
            "clean": {"automation": "on_missing"},
            "report": {"automation": {"on_cron": "0 6 * * *", "timezone": "Europe/Berlin"}},
            "*model": {"automation": "shop_conditions:Ours.weekly"},
        }
    )

    assert dg.AutomationCondition.on_missing() == found["clean"].automation_condition
    daily = dg.AutomationCondition.on_cron("0 6 * * *", "Europe/Berlin")
    assert daily == found["report"].automation_condition
    weekly = dg.AutomationCondition.on_cron("@weekly")
    assert weekly == found["europe/north/model"].automation_condition


class Archived(DagsterKedroTranslator):
    """Puts everything under one owner and group."""

    def get_asset_spec(self, asset):
        """Return the spec with another group."""
        spec = super().get_asset_spec(asset)
        return spec.replace_attributes(group_name="archive", owners=[*spec.owners, "team:old"])


def test_a_translator_has_the_last_word(specs):
    """What a subclass changes comes after the file, and sees what the file said."""
    clean = specs({"*": {"owners": ["team:data"], "group_name": "core"}}, translator=Archived())[
        "clean"
    ]

    assert ("archive", ["team:data", "team:old"]) == (clean.group_name, list(clean.owners))


@pytest.mark.parametrize(
    ("settings", "place", "said"),
    [
        ({"owners": ["ann"]}, "owners", "'ann' is no owner.*team:name"),
        ({"owners": ["team:"]}, "owners", "'team:' is no owner"),
        ({"tags": {"a b": "c"}}, "tags", "no tag 'a b: c'"),
        ({"tags": {"a": "x" * 64}}, "tags", "at most 63"),
        ({"kinds": ["my kind"]}, "kinds", "'my kind' is no kind"),
        ({"kinds": list("abcdefgh")}, "kinds", "11 kinds.*10 at most"),
        ({"group_name": "a b"}, "group_name", "'a b' is no group name"),
        ({"group_name": "{pipelin}"}, "group_name", "nothing stands for '{pipelin}'"),
        ({"freshness": {}}, "freshness", "either a window or a deadline"),
        ({"freshness": {"fail_after_s": 5}}, "freshness", "no span below 60 s"),
        (
            {"freshness": {"fail_after_s": 100, "warn_after_s": 100}},
            "freshness",
            "warn after it has failed",
        ),
        ({"freshness": {"deadline_cron": "0 9 * * *"}}, "freshness", "needs `lower_bound_s`"),
        (
            {"freshness": {"deadline_cron": "at nine", "lower_bound_s": 60}},
            "freshness",
            "does not accept it: .*[Cc]ron",
        ),
        (
            {"freshness": {"deadline_cron": "0 * * * *", "lower_bound_s": 7200}},
            "freshness",
            "smallest cron interval",
        ),
        ({"automation": "eagre"}, "automation", "no condition 'eagre'"),
        ({"automation": "on_cron: 0 6 * * *"}, "automation", "{on_cron: '0 6"),
        ({"automation": {"on_cron": "soon"}}, "automation", "does not accept it: .*soon"),
        ({"automation": "no_such_module:x"}, "automation", "'no_such_module' cannot be imp"),
        ({"automation": "dagster:no_such"}, "automation", "'dagster' has no 'no_such'"),
        (
            {"automation": "os:sep"},
            "automation",
            "expected a AutomationCondition, and 'os:sep' is a str",
        ),
    ],
    ids=str,
)
def test_what_dagster_would_refuse(specs, settings, place, said):
    """The error names the entry in `dagster.yml`, and what may stand there."""
    with pytest.raises(OrchestrationError, match=rf"dagster\.yml: assets\.cl\*\.{place}: .*{said}"):
        specs({"cl*": settings})


def sensors(definitions):
    return {
        sensor.name: sensor.default_status.value
        for sensor in definitions.get_repository_def().sensor_defs
    }


def test_sensor_of_conditions(shop):
    """Dagster has a sensor for conditions, which is off; `automation_sensor` has it on."""
    said = {"clean": {"automation": "eager"}}

    off = build_definitions(shop(said))
    assert {"default_automation_condition_sensor": "STOPPED"} == sensors(off)
    on = build_definitions(shop(said, automation_sensor="running"))
    assert {"automation": "RUNNING"} == sensors(on)
    nothing = build_definitions(shop({}, automation_sensor="running"))
    assert {} == sensors(nothing)


def test_sensors_of_two_projects(tmp_path, manifest, node):
    """Each project has a sensor for its own assets, under its own name."""
    projects = []
    for name, status in (("a", "running"), ("b", "stopped")):
        content = manifest(
            node("make", [], ["table"]),
            orchestration={
                "assets": {"table": {"automation": "eager"}},
                "automation_sensor": status,
            },
        )
        write_manifest(content, tmp_path / name / "manifest.json")
        projects.append(KedroProject(tmp_path / name, key_prefix=name))

    expected = {"a_automation": "RUNNING", "default_automation_condition_sensor": "STOPPED"}
    assert expected == sensors(build_definitions(*projects))
