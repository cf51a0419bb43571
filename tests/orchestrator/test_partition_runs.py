"""Runs of partitions: what Kedro is told, and what is reported as written."""

import dagster as dg
import pytest
from dagster_kedro import (
    DagsterKedroTranslator,
    KedroPipesResource,
    build_definitions,
    kedro_assets,
)
from dagster_kedro.clients.scripted import Script, ScriptedClient, script_lines
from dagster_kedro.errors import NodeFailedError, PartitionError, PartitionsNotSavedError
from kedro_manifest.events import (
    DatasetSaved,
    DatasetsFound,
    NodeFailed,
    PartitionsSaved,
    encode_event,
)
from kedro_manifest.invocation import EXTRAS_KEY
from kedro_manifest.model import Dataset, Parameter

MONTHS = {"type": "monthly", "start": "2013-01", "end": "2014-01", "key_format": "%Y-%m"}
SHOPS = {"type": "static", "keys": ["north", "south"]}
BY_MONTH = {"months": {**MONTHS, "pipelines": ["__default__"]}}
RANGE = {
    "dagster/asset_partition_range_start": "2013-01",
    "dagster/asset_partition_range_end": "2013-03",
}


def partitioned(name, **fields):
    """Describe a PartitionedDataset."""
    kind = "partitions.PartitionedDataset"
    return Dataset(name=name, type=kind, kind="partitioned", uri=f"data/{name}", **fields)


def custom(event):
    return "report_custom_message", {"payload": encode_event(event)}


def wrote(node, dataset, *partitions):
    """What a worker says of partitions that it has written."""
    return custom(PartitionsSaved(node=node, dataset=dataset, partitions=list(partitions)))


def saved(node, dataset, key=None):
    """What a worker says of a dataset that it has saved whole."""
    return [
        custom(DatasetSaved(node=node, dataset=dataset, duration_s=0.1)),
        ("report_asset_materialization", {"asset_key": key or dataset, "metadata": {}}),
    ]


def ends(*messages):
    """A worker that says something and ends well."""
    return Script(lines=script_lines(("opened", {}), *messages, ("closed", {})))


class Runs:
    """Definitions with scripted workers, and what their runs gave."""

    def __init__(self, project, scripts, **options):
        self.client = ScriptedClient.playing(scripts)
        self.definitions = build_definitions(project, client=self.client, **options)
        self.instance = dg.DagsterInstance.ephemeral()

    def run(self, job="__default__", **options):
        """Run a job in this process."""
        options.setdefault("instance", self.instance)
        made = self.definitions.resolve_job_def(job)
        return made.execute_in_process(raise_on_error=False, **options)

    @property
    def told(self):
        """Runtime parameters of the last worker."""
        return self.client.launches[-1].context_data["extras"][EXTRAS_KEY]["runtime_params"]


def materialized(result):
    """Every asset and partition that a run materialized, in order."""
    return [
        (event.asset_key.to_user_string(), event.partition)
        for event in result.all_events
        if event.is_step_materialization
    ]


def failure(result):
    """The error of the step that failed, with what it came from."""
    (error,) = [
        event.step_failure_data.error for event in result.all_events if event.is_step_failure
    ]
    return error.to_string()


@pytest.fixture
def split(project, node):
    """A node that writes a partition for each month."""

    def make(**options):
        fields = {"start": MONTHS["start"], **options}
        return project(
            node("split", ["orders"], ["monthly"]),
            datasets=[partitioned("monthly")],
            orchestration={"partitions": {"months": {**BY_MONTH["months"], **fields}}},
        )

    return make


JANUARY = {
    "partition_key": "2013-01",
    "partition_keys": ["2013-01"],
    "partition_start": "2013-01-01T00:00:00+00:00",
    "partition_end": "2013-02-01T00:00:00+00:00",
}


@pytest.mark.parametrize(
    ("run", "told"),
    [
        ({"partition_key": "2013-01"}, JANUARY),
        ({"tags": RANGE},
         {"partition_key": "2013-01...2013-03",
          "partition_keys": ["2013-01", "2013-02", "2013-03"],
          "partition_start": "2013-01-01T00:00:00+00:00",
          "partition_end": "2013-04-01T00:00:00+00:00"}),
        ({}, {}),
    ],
    ids=["key", "range", "none"],
)  # fmt: skip
def test_parameters(split, run, told):
    """Kedro is told the key, the keys and the window; without a partition it is told nothing."""
    runs = Runs(split(), {"split": ends()})
    runs.run(**run)

    assert told == runs.told


def test_renamed_parameters(split):
    """Parameters have the names that the entry gives them; a dot leads into a mapping."""
    names = {"key": "month", "start": "window.from", "end": "window.to", "keys": "months"}
    runs = Runs(split(parameters=names, timezone="America/New_York"), {"split": ends()})
    runs.run(partition_key="2013-03")

    window = {"from": "2013-03-01T00:00:00-05:00", "to": "2013-04-01T00:00:00-04:00"}
    assert {"month": "2013-03", "months": ["2013-03"], "window": window} == runs.told


CARRIERS = {"type": "static", "keys": ["UA", "DL"]}


@pytest.mark.parametrize("dimension", ["months", "carriers"])
def test_parameters_of_two_dimensions(project, node, dimension):
    """Each dimension's key is told besides, and the window of the one that is time."""
    made = project(
        node("split", ["orders"], ["sales"]),
        orchestration={
            "partitions": {
                "shops": SHOPS,
                dimension: MONTHS if dimension == "months" else CARRIERS,
                "both": {
                    "type": "multi",
                    "dimensions": {"shop": "shops", "other": dimension},
                    "datasets": ["sales"],
                },
            }
        },
    )
    runs = Runs(made, {"split": ends()})
    other = "2013-01" if dimension == "months" else "UA"
    runs.run(partition_key=dg.MultiPartitionKey({"other": other, "shop": "north"}))

    key = f"{other}|north"
    window = (JANUARY["partition_start"], JANUARY["partition_end"])
    start, end = window if dimension == "months" else (key, key)
    assert {
        "partition_key": key,
        "partition_keys": [key],
        "partition_key_other": other,
        "partition_key_shop": "north",
        "partition_start": start,
        "partition_end": end,
    } == runs.told


def test_pipes_context_of_a_range(split):
    """Any Pipes program is told the range and its window, which stock clients leave out."""
    runs = Runs(split(), {"split": ends()})
    runs.run(tags=RANGE)

    context = runs.client.launches[-1].context_data
    assert {"start": "2013-01", "end": "2013-03"} == context["partition_key_range"]
    assert JANUARY["partition_start"] == context["partition_time_window"]["start"]
    assert context["partition_key"] is None


@pytest.mark.parametrize("value", ["2013-01", "2013-02"])
def test_given_parameters(split, value):
    """A parameter of the slice may be given besides, if it says the same."""
    resource = KedroPipesResource(
        client=ScriptedClient.playing({"split": ends()}), parameters={"partition_key": value}
    )
    definitions = build_definitions(split(), resource=resource)
    job = definitions.resolve_job_def("__default__")
    result = job.execute_in_process(partition_key="2013-01", raise_on_error=False)

    refused = (
        "'partition_key': it is given as '2013-02', and the run's partition makes it '2013-01'"
    )
    assert (value == "2013-01") == (refused not in failure(result))
    assert (value == "2013-01") == (PartitionError.__name__ not in failure(result))


def test_launchpad_default(project, node):
    """What the Launchpad fills in from parameters.yml does not stand against the slice."""
    made = project(
        node("split", ["orders"], ["sales"], parameters=["params:partition_key"]),
        parameters=[Parameter(name="partition_key", type="string", value="all")],
        orchestration={"partitions": BY_MONTH},
    )
    runs = Runs(made, {"split": ends()})
    runs.run(partition_key="2013-01")

    assert JANUARY == runs.told


def test_one_partition(split):
    """A run of a partition is done if that one is written; others are reported besides."""
    script = ends(
        wrote("split", "monthly", "2012-12", "2013-01", "2013-02"), *saved("split", "monthly")
    )
    result = Runs(split(), {"split": script}).run(partition_key="2013-01")

    assert result.success
    assert [("monthly", "2013-01"), ("monthly", "2013-02")] == materialized(result)


def test_wrong_partition(split):
    """A run whose own partition is not written fails, and tells what was written instead."""
    script = ends(wrote("split", "monthly", "2013-02"), *saved("split", "monthly"))
    result = Runs(split(), {"split": script}).run(partition_key="2013-01")

    assert "saved without 1 of the run's partitions: '2013-01'" in failure(result)
    assert PartitionsNotSavedError.__name__ in failure(result)
    assert [("monthly", "2013-02")] == materialized(result)


def test_whole_range(split):
    """A range whose partitions are all written, chunk by chunk, is reported once each."""
    script = ends(
        wrote("split", "monthly", "2013-01", "2013-02"),
        wrote("split", "monthly", "2013-03"),
        *saved("split", "monthly"),
    )
    result = Runs(split(backfill="single_run"), {"split": script}).run(tags=RANGE)

    assert result.success
    assert [("monthly", f"2013-0{month}") for month in (1, 2, 3)] == materialized(result)


def test_incomplete_range(split):
    """Of a range that is written in part, the written partitions are reported, and the run fails."""
    script = ends(wrote("split", "monthly", "2013-01", "2013-03"), *saved("split", "monthly"))
    result = Runs(split(backfill="single_run"), {"split": script}).run(tags=RANGE)

    assert "saved without 1 of the run's partitions: '2013-02'" in failure(result)
    assert [("monthly", "2013-01"), ("monthly", "2013-03")] == materialized(result)


def test_failure_within_a_range(split):
    """What a node has written before it failed is reported as well."""
    failed = NodeFailed(
        node="split", phase="compute", error_type="E", message="no", traceback="Traceback"
    )
    script = ends(wrote("split", "monthly", "2013-01"), custom(failed))
    result = Runs(split(), {"split": script}).run(tags=RANGE)

    assert NodeFailedError.__name__ in failure(result)
    assert [("monthly", "2013-01")] == materialized(result)


def test_partition_ids(split):
    """A pattern maps the names of partitions to keys."""
    script = ends(
        wrote("split", "monthly", "of_2013-01", "of_2013-02", "2013-03"),
        *saved("split", "monthly"),
    )
    made = split(partition_ids={"month*": "of_{key}"})
    result = Runs(made, {"split": script}).run(partition_key="2013-01")

    assert result.success
    assert [("monthly", "2013-01"), ("monthly", "2013-02")] == materialized(result)


def test_partition_ids_of_two_dimensions(project, node):
    """A pattern may take the key of each dimension."""
    made = project(
        node("split", ["orders"], ["sales"]),
        datasets=[partitioned("sales")],
        orchestration={
            "partitions": {
                "months": MONTHS,
                "shops": SHOPS,
                "both": {
                    "type": "multi",
                    "dimensions": {"shop": "shops", "month": "months"},
                    "datasets": ["sales"],
                    "partition_ids": {"sales": "{key_shop}/{key_month}"},
                },
            }
        },
    )
    script = ends(
        wrote("split", "sales", "north/2013-01", "south/2013-01", "west/2013-01"),
        *saved("split", "sales"),
    )
    key = dg.MultiPartitionKey({"month": "2013-01", "shop": "north"})
    result = Runs(made, {"split": script}).run(partition_key=key)

    assert result.success
    assert [("sales", "2013-01|north"), ("sales", "2013-01|south")] == materialized(result)


def test_unrelated_partitions(split):
    """Where partitions have nothing to do with keys, the dataset stands for the run's key."""
    script = ends(wrote("split", "monthly", "UA", "DL"), *saved("split", "monthly"))
    made = split(partition_ids={"monthly": None})
    result = Runs(made, {"split": script}).run(partition_key="2013-01")

    assert result.success
    assert [("monthly", "2013-01")] == materialized(result)


def test_run_without_a_partition(split):
    """A run of a partitioned asset without a partition tells which partitions it has written."""
    script = ends(wrote("split", "monthly", "2013-01", "2013-02"), *saved("split", "monthly"))
    result = Runs(split(), {"split": script}).run()

    assert result.success
    expected = [("monthly", None), ("monthly", "2013-01"), ("monthly", "2013-02")]
    assert expected == materialized(result)


def test_saved_besides(project, node):
    """What a node writes besides what was selected is reported for the run's partitions."""
    made = project(
        node("split", ["orders"], ["monthly", "log", "chosen"]),
        datasets=[partitioned("monthly")],
        orchestration={"partitions": BY_MONTH},
    )
    script = ends(
        wrote("split", "monthly", "2013-01", "2013-02"),
        saved("split", "monthly")[0],
        saved("split", "log")[0],
        *saved("split", "chosen"),
    )
    result = Runs(made, {"split": script}).run(
        partition_key="2013-01", asset_selection=[dg.AssetKey("chosen")]
    )

    expected = [("monthly", "2013-01"), ("monthly", "2013-02"), ("log", "2013-01")]
    assert [*expected, ("chosen", "2013-01")] == materialized(result)


@pytest.mark.parametrize("there", [["2013-01"], ["2013-02"]])
def test_only_missing_partitions(split, there):
    """A dataset that lacks the run's partition is missing, whatever else is in it."""
    found = DatasetsFound(datasets=["monthly"], partitions={"monthly": there})
    runs = Runs(
        split(),
        {
            "look for existing outputs": ends(custom(found)),
            "split": ends(wrote("split", "monthly", "2013-01"), *saved("split", "monthly")),
        },
    )
    config = {"resources": {"kedro": {"config": {"only_missing_outputs": True}}}}
    result = runs.run(partition_key="2013-01", run_config=config)

    assert result.success
    assert [("monthly", "2013-01")] == materialized(result)
    assert (there == ["2013-02"]) == (runs.client.launches[-1].group == "split")


def test_retry_of_a_range(project, node):
    """A retry makes what lacks a partition again, and only that."""
    made = project(
        node("whole", ["orders"], ["monthly"]),
        node("half", ["orders"], ["others"]),
        datasets=[partitioned("monthly"), partitioned("others")],
        orchestration={"partitions": BY_MONTH},
    )
    months = ("2013-01", "2013-02", "2013-03")
    client = ScriptedClient.playing(
        {
            "whole": ends(wrote("whole", "monthly", *months), *saved("whole", "monthly")),
            "half": ends(wrote("half", "others", *months[:2]), *saved("half", "others")),
        }
    )

    @kedro_assets(project=made, retry_policy=dg.RetryPolicy(max_retries=1))
    def run_nodes(context: dg.AssetExecutionContext, kedro: KedroPipesResource):
        yield from kedro.run(context).stream()

    resources = {"kedro": KedroPipesResource(client=client)}
    definitions = dg.Definitions(assets=[run_nodes], resources=resources)
    job = definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(tags=RANGE, raise_on_error=False)

    assert not result.success
    assert ["half", "half", "whole"] == sorted(launch.group for launch in client.launches)


@pytest.mark.parametrize(
    ("run", "pinned"),
    [
        ({"partition_key": "2013-01"}, {"model": "v1"}),
        ({"partition_key": "2013-02"}, {"model": "v2"}),
        ({"tags": {**RANGE, "dagster/asset_partition_range_end": "2013-02"}}, {}),
        ({"partition_key": "2013-03"}, {}),
    ],
)
def test_versions(project, node, run, pinned):
    """A consumer loads the version of its own partition, which need not be the latest."""
    kind = "pickle.PickleDataset"
    made = project(
        node("fit", ["orders"], ["model"]),
        node("score", ["model"], ["scores"]),
        datasets=[Dataset(name="model", type=kind, kind="file", uri="data/model", versioned=True)],
        orchestration={"partitions": BY_MONTH},
    )
    runs = Runs(made, {"score": ends(*saved("score", "scores"))})
    for partition, version in [("2013-01", "v1"), ("2013-02", "v2")]:
        runs.instance.report_runless_asset_event(
            dg.AssetMaterialization(
                "model", partition=partition, metadata={"kedro/version": version}
            )
        )
    result = runs.run(asset_selection=[dg.AssetKey("scores")], **run)

    assert result.success
    told = runs.client.launches[-1].context_data["extras"][EXTRAS_KEY]
    assert pinned == told["load_versions"]


def test_unpartitioned_steps_share_the_slice(mixed):
    """All steps of a run are told the same, as all nodes of a `kedro run` are."""
    scripts = {
        "clean": ends(*saved("clean", "cleaned")),
        "split": ends(*saved("split", "monthly")),
        "report": ends(*saved("report", "summary")),
    }
    runs = Runs(mixed(), scripts)
    result = runs.run("__default___months", partition_key="2013-01")

    assert result.success
    assert {("cleaned", None), ("monthly", "2013-01"), ("summary", None)} == set(
        materialized(result)
    )
    for launch in runs.client.launches:
        assert JANUARY == launch.context_data["extras"][EXTRAS_KEY]["runtime_params"]


@pytest.mark.parametrize("policy", ["group", "stage"])
def test_memory_across_partitions(project, node, policy):
    """In-memory data of a partitioned node is made again, or staged, for an unpartitioned one."""
    made = project(
        node("cut", ["orders"], ["part"]),
        node("sum_up", ["part"], ["totals"]),
        memory=["part"],
        orchestration={
            "partitions": {"months": {**MONTHS, "datasets": ["part"]}},
            "memory_datasets": policy,
        },
    )
    staged = custom(DatasetSaved(node="cut", dataset="part", duration_s=0.1, metadata={}))
    where = {"kedro/staged_at": {"type": "text", "raw_value": "place/part.pickle"}}
    report = ("report_asset_materialization", {"asset_key": "part", "metadata": where})
    plain = ("report_asset_materialization", {"asset_key": "part", "metadata": {}})
    scripts = {
        "cut": ends(staged, report if policy == "stage" else plain),
        "sum_up": ends(*saved("sum_up", "totals")),
        "cut+1": ends(*saved("sum_up", "totals")),
        "remove staged data": ends(),
    }
    runs = Runs(made, scripts)
    result = runs.run(partition_key="2013-01")

    assert result.success, failure(result)
    assert [("part", "2013-01"), ("totals", None)] == materialized(result)
    groups = [launch.group for launch in runs.client.launches]
    expected = ["cut", "sum_up", "remove staged data"] if policy == "stage" else ["cut", "cut+1"]
    assert expected == groups


class Monthly(DagsterKedroTranslator):
    """Partitions everything, whatever dagster.yml says."""

    def get_asset_spec(self, asset):
        """Return the spec with two keys."""
        spec = super().get_asset_spec(asset)
        keys = dg.StaticPartitionsDefinition(["a", "b"])
        return spec.replace_attributes(partitions_def=keys)


def test_translator(split):
    """A translator's partitions come before those of dagster.yml, and reach Kedro as well."""
    script = ends(wrote("split", "monthly", "a"), *saved("split", "monthly"))
    runs = Runs(split(), {"split": script}, translator=Monthly())
    result = runs.run(partition_key="a")

    assert result.success
    assert [("monthly", "a")] == materialized(result)
    assert "a" == runs.told["partition_key"]


def test_the_next_attempt_writes_what_the_first_has_not(project, node):
    """An asset without all of its partitions is no result yet: its node runs again, for all."""
    opened = project(
        node("split", ["orders"], ["monthly"]),
        datasets=[partitioned("monthly")],
        orchestration={"partitions": BY_MONTH, "retries": 1},
    )
    every = ["2013-01", "2013-02", "2013-03"]
    scripts = [
        ends(wrote("split", "monthly", *every[:2]), *saved("split", "monthly")),
        ends(wrote("split", "monthly", *every), *saved("split", "monthly")),
    ]
    result = Runs(opened, {"split": scripts}).run(tags=RANGE)
    made = materialized(result)

    assert result.success
    assert [("monthly", key) for key in every[:2]] == made[:2]
    assert sorted(("monthly", key) for key in every) == sorted(made[2:])
