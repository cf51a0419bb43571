"""Asset checks of validators and of dagster.yml: what is defined, asked of workers, and made of it."""

import dagster as dg
import pytest
from dagster_kedro import KedroOpSpec, KedroPipesResource, build_definitions
from dagster_kedro.clients.base import WorkerExit
from dagster_kedro.clients.scripted import Script, ScriptedClient, script_lines
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.events import NodeFinished, encode_event
from kedro_manifest.invocation import EXTRAS_KEY
from kedro_manifest.model import Dataset, Validator

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
MONTHS = {"type": "monthly", "start": "2013-01", "end": "2014-01", "key_format": "%Y-%m"}
RANGE = {
    "dagster/asset_partition_range_start": "2013-01",
    "dagster/asset_partition_range_end": "2013-02",
}


def validated(name, *on, **fields):
    """Describe a dataset with a validator."""
    validator = Validator(class_path="shop.Rows", on=list(on) or ["load", "save"], **fields)
    return Dataset(name=name, type="pandas.CSVDataset", kind="file", validator=validator)


def checked(asset, name, *, passed=True, severity="ERROR"):
    """What a worker says of a check."""
    params = {"asset_key": asset, "check_name": name, "passed": passed, "severity": severity}
    return "report_asset_check", {**params, "metadata": {}}


def saved(asset):
    """What a worker says of an asset."""
    return "report_asset_materialization", {"asset_key": asset, "metadata": {}}


def finished(node):
    """What a worker says of a node."""
    event = NodeFinished(node=node, load_s=0, compute_s=0, save_s=0)
    return "report_custom_message", {"payload": encode_event(event)}


def plays(*messages, code=0):
    """A worker that says something and ends with a code."""
    lines = script_lines(("opened", {}), *messages, ("closed", {}))
    return Script(lines=lines, ended=WorkerExit(code=code))


class Shop:
    """Definitions of a project with scripted workers, and what their runs gave."""

    def __init__(self, project, scripts):
        self.client = ScriptedClient.playing(scripts)
        self.definitions = build_definitions(
            project, resource=KedroPipesResource(client=self.client)
        )
        self.instance = dg.DagsterInstance.ephemeral()
        self.graph = self.definitions.resolve_asset_graph()

    @property
    def specs(self):
        """Specs of all checks, by asset and name."""
        checks = (self.graph.get_check_spec(key) for key in self.graph.asset_check_keys)
        return {f"{spec.asset_key.to_user_string()}:{spec.name}": spec for spec in checks}

    def run(self, *checks, **options):
        """Run everything, or some checks alone; return the evaluations."""
        keys = [dg.AssetCheckKey(dg.AssetKey(asset), name) for asset, name in checks]
        selection = dg.AssetSelection.checks(*keys) if keys else None
        definitions, name = self.definitions, "__default__"
        if selection is not None:
            name = "chosen_checks"
            job = dg.define_asset_job(name, selection=selection)
            definitions = dg.Definitions.merge(definitions, dg.Definitions(jobs=[job]))
        self.result = definitions.resolve_job_def(name).execute_in_process(
            instance=self.instance, raise_on_error=False, **options
        )
        return [
            (each.asset_key.to_user_string(), each.check_name, each.passed, each.partition)
            for each in self.result.get_asset_check_evaluations()
        ]

    @property
    def asked(self):
        """Checks of each invocation, by group."""
        extras = (launch.context_data["extras"][EXTRAS_KEY] for launch in self.client.launches)
        return {
            each["group"]: sorted((check["dataset"], check["name"]) for check in each["checks"])
            for each in extras
        }

    @property
    def groups(self):
        """What was launched, in order."""
        return [launch.group for launch in self.client.launches]

    @property
    def error(self):
        """What the failed step says."""
        (failure,) = (e for e in self.result.all_events if e.is_step_failure)
        return failure.step_failure_data.error.to_string()


@pytest.fixture
def shop(project, node):
    """A node that writes orders, and one that reads them and writes a model."""

    def make(scripts=None, *, datasets=(), memory=(), **orchestration):
        nodes = [node("clean", ["raw"], ["orders"]), node("fit", ["orders"], ["model"])]
        made = project(*nodes, datasets=datasets, memory=memory, orchestration=orchestration)
        return Shop(made, scripts or {})

    return make


def test_validators(shop):
    """Each is a check that blocks if Kedro raises, of free inputs as well."""
    datasets = [
        validated("raw", "load"),
        validated("orders"),
        validated("model", "save", severity="warn"),
    ]
    specs = shop(datasets=datasets).specs

    expected = {"raw:validator": False, "orders:validator": True, "model:validator": False}
    assert expected == {name: spec.blocking for name, spec in specs.items()}
    assert "Kedro calls `shop.Rows` on saving `model`." == specs["model:validator"].description


def test_validators_of_one_dataset_by_its_transcodings(project, node):
    """Each name under which it is loaded or saved has a validator of its own."""
    shop = Shop(
        project(
            node("clean", [], ["orders@pandas"]),
            node("fit", ["orders@spark"], ["model"]),
            datasets=[validated("orders@pandas"), validated("orders@spark")],
            orchestration={"checks": {"orders": {"not_empty": "warn"}}},
        ),
        {
            "clean": plays(
                saved("orders"),
                checked("orders", "validator_pandas"),
                checked("orders", "not_empty"),
            ),
            "fit": plays(checked("orders", "validator_spark"), saved("model")),
        },
    )
    shop.run()

    assert shop.result.success
    expected = {"orders:validator_pandas": True, "orders:validator_spark": False}
    expected |= {"orders:not_empty": False}
    assert expected == {name: spec.blocking for name, spec in shop.specs.items()}
    assert ("orders@pandas", "not_empty") in shop.asked["clean"]


@pytest.mark.parametrize(
    ("said", "blocking", "severity"),
    [
        (True, True, "ERROR"),
        ("block", True, "ERROR"),
        ("fail", False, "ERROR"),
        ("warn", False, "WARN"),
    ],
)
def test_not_empty(shop, said, blocking, severity):
    """The worker is asked for it with its consequence, save where a narrower pattern takes it back."""
    lines = [checked("orders", "not_empty"), saved("orders")]
    checks = {"*": {"not_empty": said}, "model": {"not_empty": False}}
    made = shop({"clean": plays(*lines), "fit": plays(saved("model"))}, checks=checks)

    assert [("orders", "not_empty", True, None)] == made.run()
    assert {"clean": [("orders", "not_empty")], "fit": []} == made.asked
    (check,) = made.client.launches[0].context_data["extras"][EXTRAS_KEY]["checks"]
    assert (blocking, severity) == (check["blocking"], check["severity"])
    assert blocking == made.specs["orders:not_empty"].blocking


@pytest.mark.parametrize("reported", [["rows"], {"rows": {"blocking": True, "description": "Ok"}}])
def test_reported(shop, reported):
    """A check that node code reports is declared by its name, and missed where it is not reported."""
    made = shop({"clean": plays(saved("orders"))}, checks={"orders": {"reported": reported}})
    made.run()

    spec = made.specs["orders:rows"]
    described = isinstance(reported, dict)
    assert (described, "Ok" if described else None) == (spec.blocking, spec.description)
    assert "never reported the asset check 'rows'" in made.error


def test_a_blocking_check_stops_the_groups_downstream(shop):
    """What was saved stays, and what reads it is not launched."""
    lines = [saved("orders"), checked("orders", "not_empty", passed=False)]
    made = shop({"clean": plays(*lines)}, checks={"*": {"not_empty": True}})

    assert [("orders", "not_empty", False, None)] == made.run()
    assert not made.result.success
    assert ["clean"] == made.groups
    assert "Nothing downstream of group 'clean' is run: blocking check 'not_empty'" in made.error


def test_what_validation_finds_on_loading(shop):
    """It is told as a fact of the asset that was loaded, be it a free input."""
    scripts = {
        "clean": plays(checked("raw", "validator"), saved("orders")),
        "fit": plays(checked("orders", "validator", passed=False, severity="WARN"), saved("model")),
    }
    datasets = [validated("raw"), validated("orders", "load", severity="warn")]
    made = shop(scripts, datasets=datasets)

    assert [("raw", "validator", True, None), ("orders", "validator", False, None)] == made.run()
    assert made.result.success
    expected = {"clean": [("orders", "validator"), ("raw", "validator")]}
    assert {**expected, "fit": [("orders", "validator")]} == made.asked


def test_a_retried_step_keeps_what_was_not_loaded(project, node):
    """Nothing is missing of an asset whose validator is for loading only."""
    nodes = [node("clean", [], ["orders"]), node("fit", ["orders"], ["model"])]
    made = project(*nodes, datasets=[validated("orders", "load")])
    client = ScriptedClient.playing(
        {"clean": plays(saved("orders")), "fit": [plays(code=1), plays(saved("model"))]}
    )
    op = KedroOpSpec(retry_policy=dg.RetryPolicy(max_retries=1))
    definitions = build_definitions(made, resource=KedroPipesResource(client=client), op=op)
    result = definitions.resolve_job_def("__default__").execute_in_process(raise_on_error=False)

    assert result.success
    assert ["clean", "fit", "fit"] == [launch.group for launch in client.launches]


def test_what_is_validated_already(shop):
    """The worker that loads it knows, for validators that are content with that."""
    scripts = {
        "clean": plays(saved("orders"), checked("orders", "validator")),
        "fit": plays(saved("model")),
    }
    made = shop(scripts, datasets=[validated("orders", skip_load_after_save=True)])
    made.run()

    extras = [launch.context_data["extras"][EXTRAS_KEY] for launch in made.client.launches]
    assert [[], ["orders"]] == [each["validated"] for each in extras]


def test_a_check_that_nobody_declared(shop):
    """It is told with the run, and fails nothing."""
    lines = [saved("orders"), checked("orders", "pretty", passed=False)]
    made = shop({"clean": plays(*lines), "fit": plays(saved("model"))})

    assert [("orders", "pretty", False, None)] == made.run()
    assert made.result.success


@pytest.mark.parametrize(("on", "launched"), [(["node"], 1), (["node", "check"], 3)])
def test_retries_after_a_failed_check(shop, on, launched):
    """A failed check is final, unless retries are wanted for it: then the node runs again."""
    fails = [saved("orders"), checked("orders", "not_empty", passed=False), finished("clean")]
    passes = [checked("orders", "not_empty"), finished("clean")]
    made = shop(
        {"clean": [plays(*fails), plays(*passes)], "fit": plays(saved("model"))},
        checks={"orders": {"not_empty": True}},
        retries={"max_retries": 1, "on": on},
    )
    results = [passed for _, _, passed, _ in made.run()]

    assert launched == len(made.groups)
    assert ([False, True], True) == (results, made.result.success) or launched == 1
    assert launched == 3 or not made.result.success


@pytest.mark.parametrize("step_per", ["selection", "group"])
@pytest.mark.parametrize(
    ("how", "partitions"),
    [({"partition_key": "2013-01"}, ["2013-01"]), ({"tags": RANGE}, ["2013-01", "2013-02"])],
)
def test_partitions(shop, how, partitions, step_per):
    """A check has a result for each partition that the run has made, a fact on loading too."""
    scripts = {
        "clean": plays(saved("orders"), checked("orders", "validator")),
        "fit": plays(checked("orders", "validator"), saved("model")),
    }
    made = shop(
        scripts,
        datasets=[validated("orders")],
        step_per=step_per,
        partitions={
            "months": {**MONTHS, "pipelines": ["__default__"], "backfill": "single_run"},
        },
    )
    results = made.run(**how)

    assert made.result.success
    assert [("orders", "validator", True, each) for each in partitions * 2] == results


STORED = "check what is stored"


def test_a_check_by_itself(shop):
    """What is stored is loaded for it: no node runs, and nothing is saved."""
    made = shop(
        {STORED: plays(checked("orders", "validator"), checked("orders", "not_empty"))},
        datasets=[validated("orders")],
        checks={"orders": {"not_empty": True}},
    )
    results = made.run(("orders", "validator"), ("orders", "not_empty"))

    assert [("orders", "validator", True, None), ("orders", "not_empty", True, None)] == results
    assert {STORED: [("orders", "not_empty"), ("orders", "validator")]} == made.asked


def test_a_check_of_an_input_by_itself(shop):
    """It has an op of its own."""
    made = shop(
        {STORED: plays(checked("raw", "validator", passed=False))}, datasets=[validated("raw")]
    )

    assert [("raw", "validator", False, None)] == made.run(("raw", "validator"))
    assert not made.result.success
    assert "blocking check 'validator' of 'raw' failed" in made.error


@pytest.mark.parametrize(
    ("memory", "checks", "name"),
    [
        (["orders"], {"orders": {"not_empty": True}}, "not_empty"),
        ([], {"orders": {"reported": ["rows"]}}, "rows"),
    ],
)
def test_a_check_by_itself_that_only_its_node_can_make(shop, memory, checks, name):
    """Where loading will not do, the node runs."""
    made = shop({"clean": plays(checked("orders", name))}, memory=memory, checks=checks)

    assert [("orders", name, True, None)] == made.run(("orders", name))
    assert ["clean"] == made.groups


@pytest.mark.parametrize(
    ("fresh", "severity"),
    [
        ({"within_s": 3600}, WARN),
        ({"within_s": 3600, "on_failure": "fail"}, ERROR),
        ({"within_s": 60, "deadline_cron": "0 9 * * *", "timezone": "Asia/Tokyo"}, WARN),
    ],
)
def test_fresh(shop, fresh, severity):
    """Dagster itself checks the age of an asset, or of an observed input; no worker is launched."""
    made = shop(checks={"orders": {"fresh": fresh}, "raw": {"fresh": fresh}})
    made.run(("orders", "freshness_check"), ("raw", "freshness_check"))

    found = made.result.get_asset_check_evaluations()
    assert {"orders", "raw"} == {each.asset_key.to_user_string() for each in found}
    assert [(False, severity)] * 2 == [(each.passed, each.severity) for each in found]
    params = found[0].metadata["dagster/freshness_params"].value
    assert fresh["within_s"] == params["lower_bound_delta_seconds"]
    assert fresh.get("deadline_cron") == params.get("deadline_cron")
    assert fresh.get("timezone", "UTC") == params["timezone"]
    assert [] == made.groups


def test_a_check_of_age_that_blocks(shop):
    """Steps downstream wait for it in a run that has both."""
    made = shop(checks={"orders": {"fresh": {"within_s": 60, "on_failure": "block"}}})

    assert made.specs["orders:freshness_check"].blocking


@pytest.mark.parametrize("status", ["running", "stopped"])
def test_freshness_sensor(shop, status):
    """A sensor runs the checks of age when one may have failed."""
    made = shop(checks={"orders": {"fresh": {"within_s": 60}}}, freshness_sensor=status)

    (sensor,) = made.definitions.sensors
    assert ("freshness_checks", status) == (sensor.name, sensor.default_status.value.lower())


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"reported": ["is short"]}, "checks.orders.reported: Dagster takes no check 'is short'"),
        ({"reported": ["not_empty"]}, "'not_empty' is a check of its own"),
        ({"reported": ["validator"]}, "'validator' is a check of its own"),
        ({"fresh": {"within_s": 60, "timezone": "UTC"}}, "`timezone` means nothing without"),
        ({"fresh": {"within_s": 60, "deadline_cron": "often"}}, "does not accept 'often'"),
        ({"not_empty": "stop"}, "checks.orders.not_empty: expected true or false, 'block'"),
    ],
)
def test_what_cannot_be_used(shop, entry, message):
    """The place and the cure are named."""
    with pytest.raises(OrchestrationError, match=message):
        shop(checks={"orders": entry})
