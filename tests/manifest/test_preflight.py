from __future__ import annotations

import msgspec
import pytest
from kedro_manifest.model import (
    Dataset,
    Manifest,
    Node,
    Parameter,
    Pipeline,
    Project,
    SourceLocation,
)
from kedro_manifest.preflight.check import check_manifest, clients_of

PROJECT = Project(name="p", package_name="p", kedro_version="1.7.0", python_version="3.11")


def node(name, inputs=(), outputs=(), **more):
    return Node(name=name, function="m:f", inputs=list(inputs), outputs=list(outputs), **more)


def file(name, uri=None, **more):
    options = {"type": "json.JSONDataset", "kind": "file", "protocol": "file", **more}
    return Dataset(name=name, uri=uri or f"data/{name}.json", **options)


def memory(name):
    return Dataset(name=name, type="MemoryDataset", kind="memory")


def manifest_of(nodes, datasets, **orchestration):
    """A manifest whose datasets without an entry are in memory."""
    names = {name for each in nodes for name in (*each.inputs, *each.outputs)}
    described = {dataset.name for dataset in datasets}
    return Manifest(
        project=PROJECT,
        pipelines=[Pipeline(name="__default__", nodes=sorted(each.name for each in nodes))],
        nodes=sorted(nodes, key=lambda each: each.name),
        datasets=[*datasets, *map(memory, sorted(names - described))],
        orchestration=orchestration,
    )


CLEAN = [node("a", ["raw"], ["x"]), node("b", ["x"], ["y"])]
FILES = [file("raw"), file("x"), file("y")]


def findings(nodes=CLEAN, datasets=FILES, clients=(), catalog_files=None, **orchestration):
    manifest = manifest_of(nodes, datasets, **orchestration)
    return check_manifest(manifest, clients=clients, catalog_files=catalog_files)


def codes(*arguments, **options):
    return [(each.severity, each.code) for each in findings(*arguments, **options)]


def test_nothing_to_say_of_a_clean_project():
    """Where all is persisted and named once there is no finding."""
    assert [] == findings()


CASES = {
    "no-nodes": ("warning", {"nodes": [], "datasets": []}),
    "missing-input": ("error", {"datasets": FILES[1:]}),
    "two-writers": ("error", {"nodes": [*CLEAN, node("c", ["raw"], ["y"])]}),
    "circle": ("error", {"nodes": [node("a", ["y"], ["x"]), node("b", ["x"], ["y"])]}),
    "memory-edge": ("warning", {"datasets": [FILES[0], FILES[2]]}),
    "unused-node": ("warning", {"datasets": FILES[:2]}),
    "unread-output": ("warning", {"nodes": [CLEAN[0], node("b", ["x"], ["y", "z"])]}),
    "local-path": ("warning", {"datasets": [file("raw"), *FILES[1:]], "clients": ["docker"]}),
    "store-local": ("error", {"datasets": [], "memory_datasets": "stage", "clients": ["k8s"]}),
    "same-uri": ("warning", {"datasets": [file("raw", "data/./x.json"), *FILES[1:]]}),
    "similar-names": ("warning", {"nodes": [*CLEAN, node("A", ["raw"], [])]}),
    "version-pattern": (
        "warning",
        {"datasets": [*FILES[:2], file("y", versioned=True, pattern="{name}")]},
    ),
    "confirm": ("warning", {"nodes": [*CLEAN, node("c", ["y"], [], confirms=["raw"])]}),
    "never-confirmed": (
        "warning",
        {"datasets": [file("raw", type="partitions.IncrementalDataset"), *FILES[1:]]},
    ),
    "dagster-yml": ("error", {"grouping": {"strategi": "tag"}}),
    "empty-group": ("error", {"groups": {"g": {}}}),
    "groups": ("error", {"groups": {"g": {"nodes": ["c"]}}}),
    "groups-circle": (
        "error",
        {
            "nodes": [*CLEAN, node("c", ["y"], ["z"])],
            "datasets": [*FILES, file("z")],
            "groups": {"g": {"nodes": ["a", "c"]}},
            "grouping": {"on_cycle": "refuse"},
        },
    ),
    "widened-group": (
        "warning",
        {
            "nodes": [*CLEAN, node("c", ["y"], ["z"])],
            "datasets": [*FILES, file("z")],
            "groups": {"g": {"nodes": ["a", "c"]}},
        },
    ),
    "jobs": ("error", {"jobs": {"nightly": {"schedule": "nihgtly"}}}),
    "unused-entry": ("warning", {"schedules": {"nightly": {"cron_schedule": "0 3 * * *"}}}),
    "unmatched-entry": ("error", {"memory_datasets": {"z": "stage"}}),
    "clients": ("error", {"groups": {"g": {"nodes": ["a"], "client": "big"}}}),
    "unobserved": ("warning", {"assets": {"x": {"automation": "eager"}}}),
}


@pytest.mark.parametrize("code", CASES)
def test_each_finding_has_its_code_place_and_cure(code):
    """What is wrong is found under its code, and always says where and what to do."""
    severity, options = CASES[code]
    found = findings(**options)

    assert (severity, code) in [(each.severity, each.code) for each in found]
    assert all(each.place and each.message.endswith(".") and each.cure for each in found)


def test_partitions_of_what_is_not_there():
    """An entry that only the nodes can prove wrong is found before Dagster loads it."""
    (found,) = findings(partitions={"days": {"type": "dynamic", "datasets": ["yy"]}})

    assert "dagster.yml: partitions.days.datasets" == found.place
    assert "Did you mean 'y'?" == found.cure


def test_checks_of_what_is_not_there():
    """A pattern that matches nothing is told, and what Dagster would refuse is an error."""
    (told,) = findings(checks={"yy": {"not_empty": True}})
    (refused,) = findings(checks={"y": {"reported": ["is short"]}})
    (lost,) = findings(code_references={"url": "https://example.com"})

    assert ("warning", "dagster.yml: checks.yy") == (told.severity, told.place)
    assert ("error", "dagster.yml: checks.y.reported") == (refused.severity, refused.place)
    assert ("error", "dagster.yml: code_references.url") == (lost.severity, lost.place)


def test_a_limit_on_a_tag_that_no_node_has():
    """Nothing would be limited, so that it is said."""
    nodes = [node("a", ["raw"], ["x"], tags=["gpu"]), CLEAN[1]]
    (found,) = findings(nodes, concurrency={"tags": {"gpus": 1}})

    assert ("unmatched-entry", "dagster.yml: concurrency.tags.gpus") == (found.code, found.place)
    assert "'gpu'" in found.cure
    assert [] == findings(nodes, concurrency={"tags": {"gpu": 1}})


def test_a_client_for_what_is_not_there():
    """`for` is checked against the project."""
    entry = {"type": "subprocess", "for": {"nodes": ["c"]}}

    (found,) = check_manifest(manifest_of(CLEAN, FILES, clients={"big": entry}))

    assert ("clients", "dagster.yml: clients.big.for.nodes") == (found.code, found.place)
    assert "There is no node 'c'." == found.message


def test_errors_come_first():
    """The table begins with what makes the exit code 1."""
    found = codes(datasets=FILES[1:2])

    assert [("error", "missing-input"), ("warning", "unused-node")] == found


def test_places_name_file_and_line():
    """A node is found by its source, a dataset by the file of its entry or pattern."""
    located = node("a", ["x"], ["y"], source=SourceLocation(path="src/p/nodes.py", line=7))
    (unused,) = findings([located], [file("x")])
    (local,) = findings(
        [node("a", ["x"])],
        [file("x", pattern="{any}")],
        clients=["k8s"],
        catalog_files={"{any}": "conf/base/catalog.yml"},
    )

    assert "src/p/nodes.py:7: node 'a'" == unused.place
    assert "conf/base/catalog.yml: {any}" == local.place


def test_datasets_of_one_pattern_are_one_finding():
    """A thousand datasets of one pattern have one entry to mend."""
    datasets = [file(f"x{i}", pattern="x{i}") for i in range(9)]
    (local,) = findings([node("a", [each.name for each in datasets])], datasets, clients=["ssh"])

    assert "'x5' and 3 more" in local.message


@pytest.mark.parametrize(
    ("orchestration", "place", "hint"),
    [
        (
            {"grouping": {"strategi": "tag"}},
            "dagster.yml: grouping.strategi",
            "Did you mean 'strategy'?",
        ),
        ({"grouping": {"strategy": "tags"}}, "dagster.yml: grouping.strategy", "mean 'tag'?"),
        ({"memory_datasets": {"x": "keep"}}, "dagster.yml: memory_datasets.x", "'stage'."),
        ({"store": {"ur": "s3://b"}}, "dagster.yml: store.ur", "'url'"),
        (
            {"executors": {"a": {"multiproces": {}}}},
            "dagster.yml: executors.a.multiproces",
            "'multiprocess'",
        ),
        (
            {"jobs": {"a": {}, "j": {"schedule": {"cron_schedule": "x", "partition": {"k": ""}}}}},
            "dagster.yml: jobs.j.schedule.partition.k",
            "'key'",
        ),
        ({"on_drift": "ignore"}, "dagster.yml: on_drift", "Choose from 'refuse', 'warn'."),
    ],
)
def test_wrong_entries_get_the_nearest_names(orchestration, place, hint):
    """A wrong entry of dagster.yml names its path and what may stand there."""
    (found,) = findings(**orchestration)

    assert place == found.place
    assert hint in found.cure


NAMES = {
    "schedules": {"nightly": {"cron_schedule": "0 3 * * *"}},
    "executors": {"local": {"multiprocess": None}},
    "loggers": {"audit": {}},
    "partitions": {"days": {"type": "daily", "start": "2024-01-01"}},
}


@pytest.mark.parametrize(
    ("job", "place", "hint"),
    [
        ({"schedule": "nigthly"}, "schedule", "'nightly'"),
        ({"schedule": {"cron_schedule": "0 3 * *"}}, "schedule.cron_schedule", "five fields"),
        (
            {"schedule": {"cron_schedule": "@daily", "execution_timezone": "Europe/Londn"}},
            "schedule.execution_timezone",
            "'Europe/London'",
        ),
        ({"executor": "loca"}, "executor", "'local'"),
        ({"executor": "multiproces"}, "executor", "'multiprocess'"),
        ({"executor": {}}, "executor", "such as `in_process:`"),
        ({"loggers": ["audits"]}, "loggers", "'audit'"),
        ({"partitions": "day"}, "partitions", "'days'"),
        ({"log_level": "LOUD"}, "log_level", "'INFO'"),
        ({"loggers": [{"log_level": "DEBU"}]}, "loggers.0.log_level", "'DEBUG'"),
        ({"loggers": [{"handlers": [{"formatter": "x"}]}]}, "loggers.0.handlers.0", "class"),
        ({"pipeline": "_default_"}, "pipeline", "'__default__'"),
        ({"pipeline": {"pipeline_name": "x"}}, "pipeline.pipeline_name", "Mend the entry."),
        ({"pipeline": {"to_nodes": ["a", "bb"]}}, "pipeline.to_nodes", "'b'"),
        ({"pipeline": {"tags": ["t"]}}, "pipeline.tags", "Mend the entry."),
        ({"pipeline": {"from_inputs": ["y"]}}, "pipeline", "`kedro pipes plan`"),
    ],
)
def test_jobs_that_name_what_is_not_there(job, place, hint):
    """Each name is found at its place, with what may stand there."""
    found = [each for each in findings(jobs={"j": job}, **NAMES) if each.code == "jobs"]

    assert [f"dagster.yml: jobs.j.{place}"] == [each.place for each in found][:1]
    assert hint in found[0].cure


def test_a_schedule_that_nobody_can_tell_the_time_of():
    """What Dagster would refuse when it loads is found without it."""
    schedules = {"nightly": {"cron_schedule": ["@daily", "0 0 3 * * *"]}}

    (found,) = findings(jobs={"j": {"schedule": "nightly"}}, schedules=schedules)

    assert "dagster.yml: schedules.nightly.cron_schedule" == found.place


def test_every_wrong_job_is_found_at_once():
    """A person mends the file once, not once for each error."""
    jobs = {"a": {"schedule": "x", "executor": "y"}, "b": {"pipeline": "z"}}

    assert 3 == len(findings(jobs=jobs))


@pytest.mark.parametrize(
    ("job", "place", "said"),
    [
        ({"parameters": {"rtae": 2}}, "parameters.rtae", "Did you mean 'rate'?"),
        ({"parameters": {"rate": "fast"}}, "parameters.rate", "Expected number, got 'fast'"),
        ({"parameters": {"rate": True}}, "parameters.rate", "Expected number, got True"),
        ({"parameters": {"model": 3}}, "parameters.model", "Expected object, got 3"),
        ({"parameters": {"model": {"dept": 3}}}, "parameters.model.dept", "Did you mean 'depth'?"),
        ({"parameters": {"model": {"depth": 1.5}}}, "parameters.model.depth", "a decimal point"),
        ({"load_versions": {"y": "1"}}, "load_versions.y", "Did you mean 'x'?"),
    ],
)
def test_jobs_that_configure_runs_wrongly(job, place, said):
    """Parameters and versions are checked against the project before anything is exported."""
    described = [
        Parameter(name="model", type="object"),
        Parameter(name="model.depth", type="integer", value=1),
        Parameter(name="rate", type="number", value=0.5),
    ]
    given = {"jobs": {"j": {**job, "pipeline": "__default__"}}}
    manifest = manifest_of(CLEAN, [FILES[0], file("x", versioned=True), FILES[2]], **given)

    (found,) = check_manifest(msgspec.structs.replace(manifest, parameters=described))

    assert ("jobs", f"dagster.yml: jobs.j.{place}") == (found.code, found.place)
    assert said in f"{found.message} {found.cure}"


def test_jobs_that_configure_runs_rightly():
    """What the Launchpad would take raises no finding: numbers, nulls, and anything for an object."""
    described = [
        Parameter(name="free", type="object"),
        Parameter(name="rate", type="number", value=0.5),
    ]
    parameters = {"free": {"any": [1]}, "rate": 2}
    manifest = manifest_of(CLEAN, FILES, jobs={"j": {"parameters": parameters}})

    assert [] == check_manifest(msgspec.structs.replace(manifest, parameters=described))


def test_what_jobs_name_is_used():
    """Schedules, executors and loggers that a job names are no finding."""
    job = {"schedule": "nightly", "executor": "local", "loggers": ["audit", "console"]}
    names = {key: NAMES[key] for key in ("schedules", "executors", "loggers")}

    assert [] == findings(jobs={"j": job}, **names)


def test_keys_without_a_value_are_not_there():
    """YAML reads a key with nothing below it as null, and kedro-dagster writes null itself."""
    empty = {"jobs": None, "schedules": None, "executors": None, "loggers": None}
    job = {"pipeline": {"pipeline_name": "__default__", "tags": None}, "loggers": None}

    assert [] == findings(**empty)
    assert [] == findings(jobs={"j": job}, executors=None)


def test_what_dagster_yml_says_by_name_is_meant():
    """In-memory data that is named, and groups that were asked for, are no surprise."""
    datasets = [FILES[0], FILES[2]]

    assert [] == codes(datasets=datasets, memory_datasets={"x": "group"})
    assert [] == codes(datasets=datasets, groups={"g": {"nodes": ["a", "b"]}})


@pytest.mark.parametrize("pattern", ["x", "z*"])
def test_entries_that_do_nothing_are_doubted(pattern):
    """A dataset that is persisted needs no entry, and a pattern may match elsewhere."""
    assert [("warning", "unmatched-entry")] == codes(memory_datasets={pattern: "stage"})


def test_contradicting_groups_are_an_error():
    """Groups that became one because of their data cannot have two runners."""
    datasets = [FILES[0], FILES[2]]
    groups = {"one": {"nodes": ["a"], "runner": "thread"}, "two": {"nodes": ["b"]}}
    found = {each.code: each for each in findings(datasets=datasets, groups=groups)}

    assert "error" == found["groups"].severity
    assert "dagster.yml: groups.two.runner" == found["groups"].place


@pytest.mark.parametrize(
    ("memory_datasets", "expected"),
    [("group", ["memory-edge"]), ("stage", []), ({"x": "stage"}, ["unpicklable"])],
)
def test_what_cannot_be_pickled(memory_datasets, expected):
    """It is told of only where it is staged all the same, because `dagster.yml` names it."""
    doubted = Dataset(name="x", type="T", kind="memory", unpicklable="returns a lambda")
    found = findings(datasets=[FILES[0], doubted, FILES[2]], memory_datasets=memory_datasets)

    assert expected == [each.code for each in found]
    assert all("node 'a'" in each.place for each in found)


BY_ITSELF = {
    "assets.xx": ("warning", {"assets": {"xx": {"owners": ["team:a"]}}}),
    "observation.datasets": ("warning", {"observation": {"datasets": ["r*w*x"]}}),
    "assets.x.owners": ("error", {"assets": {"x": {"owners": ["ann"]}}}),
    "sensors.s": ("error", {"sensors": {"s": {"type": "files", "job": "j"}}}),
    "sensors.s.dataset": (
        "error",
        {"sensors": {"s": {"type": "files", "job": "j", "dataset": "y"}}},
    ),
}


@pytest.mark.parametrize("place", BY_ITSELF)
def test_what_happens_by_itself(place):
    """Patterns that match nothing are doubtful, what could never work is wrong."""
    severity, said = BY_ITSELF[place]
    (found,) = findings(**said)

    assert (severity, f"dagster.yml: {place}") == (found.severity, found.place)


def test_inputs_that_are_observed_by_themselves_may_be_waited_for():
    """Nothing is doubtful if a schedule observes, or if only what nodes write is waited for."""
    eager = {"automation": "eager"}

    assert [] == codes(assets={"x": eager}, observation={"cron_schedule": "@daily"})
    assert [] == codes(assets={"y": eager})
    assert [] == codes(assets={"x": eager, "raw": {"automation": {"on_cron": "@daily"}}})


def test_an_entry_in_memory_may_bring_its_data():
    """`type: MemoryDataset` in the catalog can have data; only no entry at all has none."""
    assert [] == codes(datasets=FILES[1:], catalog_files={"raw": "conf/base/catalog.yml"})


def test_two_writers_of_one_place_are_an_error():
    """Reading another's file by another name is doubtful; writing it twice is wrong."""
    datasets = [file("raw"), file("x", "s3://b/one"), file("y", "s3://b/one")]

    assert [("error", "same-uri")] == codes(datasets=datasets)


def test_another_dataset_may_say_the_order_at_one_place():
    """A second name for what was written is fine where its readers wait for the writer anyway."""
    waiting = node("b", ["all", "done"], ["y"])
    datasets = [file("raw"), file("x"), file("all", "data/x.json"), file("done"), file("y")]

    assert [] == codes([node("a", ["raw"], ["x", "done"]), waiting], datasets)
    hasty = node("c", ["all"], ["z"])
    (found,) = findings([node("a", ["raw"], ["x", "done"]), waiting, hasty], [*datasets, file("z")])
    assert "same-uri" == found.code


def test_two_readers_of_one_place_are_fine():
    """The same file may be read in two ways."""
    datasets = [file("raw"), file("raw2", "data/raw.json"), *FILES[1:]]

    assert [] == codes([node("a", ["raw", "raw2"], ["x"]), CLEAN[1]], datasets)


@pytest.mark.parametrize(
    ("versioned", "severity"), [((True, False), "error"), ((True, True), "warning")]
)
def test_versions_of_a_transcoded_dataset(versioned, severity):
    """If one form is versioned and the other is not, they are different files."""
    forms = [
        file(f"x@{form}", "data/x", versioned=each)
        for form, each in zip(("csv", "text"), versioned, strict=True)
    ]
    nodes = [node("a", ["raw"], ["x@csv"]), node("b", ["x@text"])]

    assert [(severity, "version-transcoded")] == codes(nodes, [FILES[0], *forms])


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        (None, {"subprocess"}),
        ({"gpu": {"type": "k8s"}, "light": {"type": "subprocess"}}, {"k8s", "subprocess"}),
        (7, {"subprocess"}),
    ],
)
def test_clients_are_those_of_dagster_yml(configured, expected):
    """Every kind of client that is named counts; without any it is a process."""
    assert expected == clients_of(manifest_of(CLEAN, FILES, clients=configured))
