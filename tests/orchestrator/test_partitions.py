"""Partitions of dagster.yml: what they define, and how wrong entries are refused."""

from datetime import datetime, timezone

import dagster as dg
import pytest
from dagster_kedro import build_definitions
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.model import Dataset

MONTHS = {"type": "monthly", "start": "2013-01", "end": "2014-01", "key_format": "%Y-%m"}
SHOPS = {"type": "static", "keys": ["north", "south"]}


def partitioned(name, **fields):
    """Describe a PartitionedDataset."""
    kind = "partitions.PartitionedDataset"
    return Dataset(name=name, type=kind, kind="partitioned", uri=f"data/{name}", **fields)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"type": "hourly", "start": "2013-01-01-00:00", "end": "2013-01-02-00:00"},
         (24, "2013-01-01-00:00", "2013-01-01-23:00")),
        ({"type": "daily", "start": "2013-01-01", "end": "2013-03-01", "timezone": "Europe/Berlin"},
         (59, "2013-01-01", "2013-02-28")),
        ({"type": "weekly", "start": "2013-01-06", "end": "2013-02-03"},
         (4, "2013-01-06", "2013-01-27")),
        (MONTHS, (12, "2013-01", "2013-12")),
        (SHOPS, (2, "north", "south")),
        ({"type": "dynamic", "name": "files"}, (1, "a.csv", "a.csv")),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)  # fmt: skip
def test_definitions(project, node, entry, expected):
    """Each kind of partitions gives the keys that its entry says."""
    made = project(
        node("sum_up", ["orders"], ["totals"]),
        orchestration={"partitions": {"slices": {**entry, "datasets": ["tot*"]}}},
    )
    instance = dg.DagsterInstance.ephemeral()
    instance.add_dynamic_partitions("files", ["a.csv"])

    (definition,) = {spec.partitions_def for spec in specs_of(build_definitions(made))}
    keys = definition.get_partition_keys(dynamic_partitions_store=instance)
    assert expected == (len(keys), keys[0], keys[-1])


@pytest.mark.parametrize(
    ("offset", "last"), [(0, "2013-01-04"), (1, "2013-01-05"), (-1, "2013-01-03")]
)
def test_end_offset(project, node, offset, last):
    """The day that is running has a key, or the one that is just over has none yet."""
    days = {"type": "daily", "start": "2013-01-01", "datasets": ["totals"], "end_offset": offset}
    made = project(
        node("sum_up", ["orders"], ["totals"]), orchestration={"partitions": {"days": days}}
    )
    (definition,) = {spec.partitions_def for spec in specs_of(build_definitions(made))}
    noon = datetime(2013, 1, 5, 12, tzinfo=timezone.utc)

    assert last == definition.get_partition_keys(current_time=noon)[-1]


def specs_of(definitions):
    assets = definitions.resolve_all_asset_specs()
    return [spec for spec in assets if "kedro/node" in spec.metadata]


@pytest.mark.parametrize(
    ("partitions", "message"),
    [
        ({"days": {"type": "daily", "start": "2013-1x"}},
         r"partitions.days.start: expected a key like '2013-02-03', got '2013-1x'"),
        ({"days": {"type": "daily", "start": "2013-01-02", "end": "2013-01-01"}},
         r"partitions.days.end: it is '2013-01-01', and partitions start with '2013-01-02'"),
        ({"days": {"type": "daily", "start": "2013-01-02", "timezone": "Europe/Berlim"}},
         r"partitions.days.timezone: .*'Europe/Berlim'. Did you mean 'Europe/Berlin'"),
        ({"days": {"type": "daily", "start": "2013-01", "key_format": "%Y-%m"}},
         r"partitions.days.key_format: '%Y-%m' gives several partitions one key"),
        ({"shops": {"type": "static", "keys": ["a", "a"]}},
         r"partitions.shops: Dagster refuses it: .*[Dd]uplicate"),
        ({"both": {"type": "multi", "dimensions": {"m": "mnths", "s": "shops"}},
          "months": MONTHS, "shops": SHOPS},
         r"partitions.both.dimensions.m: .*'mnths'. Did you mean 'months'"),
        ({"months": {**MONTHS, "pipelines": ["etll"]}},
         r"partitions.months.pipelines: there is no pipeline 'etll'. Did you mean 'etl'"),
        ({"months": {**MONTHS, "datasets": ["totls"]}},
         (r"partitions.months.datasets: there is no dataset that a node writes 'totls'. Did you "
          r"mean 'totals'")),
        ({"months": {**MONTHS, "datasets": ["totals", "ord*"]}},
         (r"partitions.months.datasets: no node writes 'orders', and only what nodes write has "
          r"partitions. Take 'ord\*' out")),
        ({"months": {**MONTHS, "pipelines": ["etl"]}, "shops": {**SHOPS, "datasets": ["totals"]}},
         (r"partitions.shops.datasets: it partitions what node 'sum_up' makes by 'shops', and "
          r"partitions.months.pipelines by 'months'")),
        ({"months": {**MONTHS, "datasets": ["parts"], "partition_ids": {"parts": "p_{month}"}}},
         (r"partitions.months.partition_ids: of 'parts': expected a pattern with `{key}`, got "
          r"'p_{month}'")),
        ({"months": {**MONTHS, "datasets": ["parts"], "partition_ids": {"prts": "p_{key}"}}},
         r"partitions.months.partition_ids: .*'prts'. Did you mean 'parts'"),
        ({"months": {**MONTHS, "datasets": ["replaced"]}},
         r"partitions.months: saving 'replaced' removes every partition .*`overwrite: true`"),
        ({"months": {**MONTHS, "datasets": ["left"]}},
         (r"partitions.months.datasets: node 'cut' makes a slice of what 'left' names, and all of "
          r"'right'. Name 'right' as well")),
        ({"months": MONTHS}, r"partitions.months: nothing is partitioned by it"),
    ],
)  # fmt: skip
def test_wrong_entries(project, node, partitions, message):
    """A wrong entry is refused with its place and what may stand there."""
    made = project(
        node("sum_up", ["orders"], ["totals"]),
        node("split", ["orders"], ["parts"]),
        node("replace", ["orders"], ["replaced"]),
        node("cut", ["orders"], ["left", "right"]),
        datasets=[partitioned("parts"), partitioned("replaced", overwrite=True)],
        pipelines={"etl": ["sum_up", "split"], "__default__": ["sum_up", "split", "replace"]},
        orchestration={"partitions": partitions},
    )

    with pytest.raises(OrchestrationError, match=message):
        build_definitions(made)


@pytest.mark.parametrize("step_per", ["selection", "group"])
def test_mixed_pipeline(mixed, step_per):
    """It loads, and becomes a job for each definition, which holds the unpartitioned rest."""
    definitions = build_definitions(mixed(), step_per=step_per)

    dg.Definitions.validate_loadable(definitions)
    made = {job.name for job in definitions.jobs} - {"observe_inputs"}
    assert {"__default___months", "__default___shops"} == made
    resolved = definitions.resolve_job_def("__default___shops")
    keys = {key.to_user_string() for key in resolved.asset_layer.executable_asset_keys}
    assert {"cleaned", "shops", "summary"} == keys
    assert ["north", "south"] == resolved.partitions_def.get_partition_keys()


def test_ops_of_a_mixed_pipeline(mixed):
    """Each definition has an op of its own; the one without partitions keeps its name."""
    assets = build_definitions(mixed()).assets

    names = {each.op.name for each in assets if isinstance(each, dg.AssetsDefinition)}
    names -= {"shop_inputs"}  # observes them
    assert {"shop_assets", "shop_assets_months", "shop_assets_shops"} == names


def test_job_partitions(project, node):
    """`jobs.<name>.partitions` partitions what the job selects."""
    made = project(
        node("clean", ["orders"], ["cleaned"]),
        node("sum_up", ["cleaned"], ["totals"]),
        orchestration={
            "partitions": {"months": MONTHS},
            "jobs": {"monthly": {"pipeline": {"to_outputs": ["totals"], "node_names": ["sum_up"]},
                                 "partitions": "months"}},
        },
    )  # fmt: skip

    by_name = {spec.key.to_user_string(): spec for spec in specs_of(build_definitions(made))}
    assert by_name["cleaned"].partitions_def is None
    assert 12 == len(by_name["totals"].partitions_def.get_partition_keys())


ANY = {"type": "dynamic"}
DAYS = {"type": "daily", "start": "2013-01-01", "end": "2014-01-01"}


@pytest.mark.parametrize(
    ("above", "below", "mapping"),
    [
        (DAYS, MONTHS, None),
        (MONTHS, {**DAYS, "timezone": "Europe/Berlin"}, dg.AllPartitionMapping),
        (SHOPS, MONTHS, dg.AllPartitionMapping),
        (SHOPS, {"type": "static", "keys": ["east"]}, dg.AllPartitionMapping),
        (SHOPS, SHOPS, None),
        (ANY, SHOPS, dg.AllPartitionMapping),
        ({"type": "multi", "dimensions": {"m": "months", "s": "shops"}}, SHOPS, None),
        (SHOPS, {"type": "multi", "dimensions": {"m": "months", "s": "shops"}}, None),
        ({"type": "multi", "dimensions": {"m": "months", "s": "shops"}}, ANY,
         dg.AllPartitionMapping),
    ],
)  # fmt: skip
def test_mappings(project, node, above, below, mapping):
    """Any two definitions load; where Dagster's default is none, each depends on all."""
    made = project(
        node("clean", ["orders"], ["cleaned"]),
        node("sum_up", ["cleaned"], ["totals"]),
        orchestration={
            "partitions": {
                **(
                    {"months": MONTHS, "shops": SHOPS} if "dimensions" in {**above, **below} else {}
                ),
                "above": {**above, "datasets": ["cleaned"]},
                "below": {**below, "datasets": ["totals"]},
            },
        },
    )
    definitions = build_definitions(made)

    dg.Definitions.validate_loadable(definitions)
    (spec,) = [spec for spec in specs_of(definitions) if spec.key.path == ["totals"]]
    (dep,) = spec.deps
    found = dep.partition_mapping
    assert mapping == (None if found is None else type(found))


def test_memory_between_two_definitions(project, node):
    """In-memory data cannot cross from one partitions definition to another: no run has both."""
    made = project(
        node("cut", ["orders"], ["part"]),
        node("sum_up", ["part"], ["totals"]),
        memory=["part"],
        orchestration={
            "partitions": {
                "months": {**MONTHS, "datasets": ["part"]},
                "shops": {**SHOPS, "datasets": ["totals"]},
            }
        },
    )

    with pytest.raises(OrchestrationError, match="'sum_up' needs in-memory data of node 'cut'"):
        build_definitions(made)


@pytest.mark.parametrize("backfill", ["multi_run", "single_run"])
def test_backfill_policy(project, node, backfill):
    """A backfill is one run for each partition, or one for all."""
    entry = {**MONTHS, "pipelines": ["__default__"], "backfill": backfill}
    made = project(
        node("sum_up", ["orders"], ["totals"]), orchestration={"partitions": {"months": entry}}
    )
    (assets,) = [
        each
        for each in build_definitions(made).assets
        if isinstance(each, dg.AssetsDefinition) and each.is_materializable
    ]

    runs = None if backfill == "single_run" else 1
    assert runs == assets.backfill_policy.max_partitions_per_run


def test_jobs_of_a_mixed_pipeline(mixed):
    """A job of dagster.yml has the partitions of its nodes, unpartitioned ones beside them."""
    jobs = {"by_shop": {"pipeline": {"to_outputs": ["summary"], "from_nodes": ["by_shop"]}}}
    definitions = build_definitions(mixed(jobs=jobs))

    found = definitions.resolve_job_def("by_shop").partitions_def
    assert ["north", "south"] == found.get_partition_keys()


def test_mixed_job(mixed):
    """A job of dagster.yml over two partitions definitions is refused by its name."""
    message = r"dagster.yml: jobs.all: its assets are partitioned by 'months', 'shops'"
    with pytest.raises(OrchestrationError, match=message):
        build_definitions(mixed(jobs={"all": {"pipeline": "__default__"}}))
