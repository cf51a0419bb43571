"""What the exporter writes of a real project."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec
import pytest
from kedro.io import CatalogConfigResolver
from kedro_manifest.codec import decode_manifest, encode_manifest
from kedro_manifest.model import Manifest
from kedro_pipes.project.catalog_entries import CatalogEntries

REPOSITORY = Path(__file__).parents[2]
RECORDED = REPOSITORY / "tests/manifest/fixtures/spaceport-1.0.json"

SNAPSHOT = """
import dataclasses, json, sys
from kedro.inspection import get_project_snapshot
snapshot = get_project_snapshot(sys.argv[1])
with open(sys.argv[2], "w") as file:
    json.dump(dataclasses.asdict(snapshot), file)
"""


def by_name(records):
    return {record["name"]: record for record in records}


def append(file: Path, text: str) -> None:
    file.write_text(file.read_text() + text)


def test_bytes_are_the_same_under_any_hash_seed(spaceport, try_export):
    """Sets and dictionaries of the project leave no trace in the bytes."""
    for seed in ("0", "1", "4711"):
        try_export(spaceport, "-o", f"{seed}.json", PYTHONHASHSEED=seed)

    first = (spaceport / "0.json").read_bytes()

    assert first == (spaceport / "1.json").read_bytes() == (spaceport / "4711.json").read_bytes()
    assert first == encode_manifest(decode_manifest(first))


def test_manifest_is_what_was_recorded(spaceport, export):
    """The format of the newest version does not change unseen."""
    project = {"kedro_version": "", "python_version": ""}
    found, recorded = export(spaceport), json.loads(RECORDED.read_bytes())
    for manifest in (found, recorded):
        manifest.update(content_hash="", generator="")
        manifest["project"].update(project)
        for pipeline in manifest["pipelines"]:
            pipeline.pop("loads_alone")  # what Kedro's version can do
        own = [each for each in manifest["hooks"] if each["name"].startswith("spaceport.")]
        manifest["hooks"] = own  # and not those of whatever plugins are installed

    assert recorded == found, (
        "the exporter writes something else than tests/manifest/fixtures/spaceport-1.0.json: "
        "if that is meant, export tests/projects/spaceport to that file again"
    )


@pytest.mark.newest
def test_pipelines_nodes_and_datasets_agree_with_kedros_snapshot(spaceport, export, run_command):
    """Kedro's own inspection sees the same pipelines, nodes, sources and files."""
    result = run_command([sys.executable, "-c", SNAPSHOT, spaceport, "snapshot.json"], spaceport)
    assert result.returncode == 0, result.stderr
    snapshot = json.loads((spaceport / "snapshot.json").read_text())
    manifest = export(spaceport)

    pipelines = {
        each["name"]: sorted(n["name"] for n in each["nodes"]) for each in snapshot["pipelines"]
    }
    assert pipelines == {each["name"]: each["nodes"] for each in manifest["pipelines"]}

    nodes = by_name(manifest["nodes"])
    for theirs in (node for pipeline in snapshot["pipelines"] for node in pipeline["nodes"]):
        ours = nodes[theirs["name"]]
        assert theirs["namespace"] == ours["namespace"]
        assert theirs["tags"] == ours["tags"]
        assert sorted(theirs["inputs"]) == sorted(ours["inputs"] + ours["parameters"])
        assert theirs["outputs"] == ours["outputs"]
        if theirs["source"]:
            assert theirs["source"]["filepath"] == ours["source"]["path"]
            assert theirs["source"]["line_start"] == ours["source"]["line"]

    datasets = by_name(manifest["datasets"])
    persisted = {name for name, each in datasets.items() if each["kind"] != "memory"}
    assert persisted == set(snapshot["datasets"])
    for name in persisted:
        assert snapshot["datasets"][name]["type"] == datasets[name]["type"]
        filepath = snapshot["datasets"][name]["filepath"]
        assert filepath in (None, datasets[name]["uri"])
    names = {
        parameter["name"] for parameter in manifest["parameters"] if "." not in parameter["name"]
    }
    assert snapshot["parameters"] == sorted(names)


def test_nodes_are_described(spaceport, export):
    """A node carries its function, arguments in order, tags, documentation and place."""
    nodes = by_name(export(spaceport)["nodes"])

    join = nodes["join"]
    assert ["clean_shuttles@pandas", "clean_companies"] == join["inputs"]
    assert "spaceport.pipelines.ingestion:join" == join["function"]
    assert "Give each shuttle its company's rating." == join["doc"]
    assert {"path": "src/spaceport/pipelines/ingestion.py", "line": 20} == join["source"]
    assert ["params:north.origin"] == nodes["north.select"]["parameters"]
    assert ["north", "weekly"] == nodes["north.select"]["tags"]
    assert "spaceport.pipelines.reporting:split_by" == nodes["split_by_origin"]["function"]
    assert [] == nodes["announce"]["outputs"]


def test_datasets_are_described(spaceport, export):
    """A dataset carries what stores it, where, and which factory resolved it."""
    datasets = by_name(export(spaceport)["datasets"])

    assert ("file", True, "{namespace}.model", "models", "data/04_models/north.pickle") == tuple(
        datasets["north.model"][key] for key in ("kind", "versioned", "pattern", "layer", "uri")
    )
    assert "memory" == datasets["north.features"]["kind"]
    assert "partitioned" == datasets["shuttles_by_origin"]["kind"]
    assert "text.TextDataset" == datasets["clean_shuttles@text"]["type"]
    assert "raw" == datasets["shuttles"]["layer"]
    assert "Companies that fly from here" == datasets["companies"]["metadata"]["description"]


KINDS = """
cached:
  type: CachedDataset
  versioned: true
  dataset: {type: pickle.PickleDataset, filepath: s3://bucket/cached.pickle}
cached_memory:
  type: kedro.io.CachedDataset
  dataset: MemoryDataset
shared:
  type: SharedMemoryDataset
table:
  type: pandas.SQLTableDataset
  table_name: t
  credentials: {con: "sqlite:///x"}
increments:
  type: partitions.IncrementalDataset
  path: data/increments
  dataset: text.TextDataset
missing_library:
  type: library_that_is_not_here.CloudDataset
  filepath: cloud://x
volatile:
  type: spaceport.datasets.VolatileDataset
local:
  type: spaceport.datasets.LocalDataset
  filepath: /data/x
requests:
  type: api.APIDataset
  url: https://example.com?token=kinds-secret-1
"""

DATASETS = '''
"""Datasets of the project's own."""

from kedro.io import AbstractDataset


class LocalDataset(AbstractDataset):
    """Persists; never made by an export."""

    def __init__(self, **arguments):
        raise RuntimeError("an export must not make datasets")

    def _load(self): ...

    def _save(self, data): ...

    def _describe(self): ...


class VolatileDataset(LocalDataset):
    """Keeps its data in memory, and says so."""

    _EPHEMERAL = True
'''


def test_kinds_of_datasets(spaceport, export):
    """Memory, files, tables and partitions are told apart without making a dataset."""
    append(spaceport / "conf/base/catalog.yml", KINDS)
    (spaceport / "src/spaceport/datasets.py").write_text(DATASETS)
    names = [
        *("cached", "cached_memory", "shared", "table", "increments", "missing_library"),
        *("volatile", "local", "requests", "unknown"),
    ]
    append(
        spaceport / "src/spaceport/pipelines/reporting.py",
        f"""
ordinary = create_pipeline


def create_pipeline():
    return ordinary() + pipeline([node(print, {names!r}, None, name="use", confirms="increments")])
""",
    )

    manifest = export(spaceport)
    datasets = by_name(manifest["datasets"])

    assert {
        "cached": "file",
        "cached_memory": "memory",
        "shared": "memory",
        "table": "table",
        "increments": "partitioned",
        "missing_library": "file",
        "volatile": "memory",
        "local": "file",
        "requests": "other",
        "unknown": "memory",
    } == {name: datasets[name]["kind"] for name in names}
    assert datasets["cached"]["versioned"]
    assert ("s3", "s3://bucket/cached.pickle") == (
        datasets["cached"]["protocol"],
        datasets["cached"]["uri"],
    )
    assert "kinds-secret-1" not in json.dumps(manifest)
    use = by_name(manifest["nodes"])["use"]
    assert ("builtins:print", None, ["increments"]) == (
        use["function"],
        use["source"],
        use["confirms"],
    )


@pytest.mark.parametrize(
    ("entry", "bound"),
    [
        ({"type": "kedro_mlflow.io.metrics.MlflowMetricDataset"}, True),
        ({"type": "kedro_mlflow.io.metrics.MlflowMetricDataset", "run_id": "4711"}, False),
        ({"type": "kedro_mlflow.io.models.MlflowModelTrackingDataset", "flavor": "f"}, True),
        (
            {
                "type": "kedro_mlflow.io.models.MlflowModelTrackingDataset",
                "load_args": {"model_uri": "models:/m/1"},
            },
            False,
        ),
        ({"type": "kedro_mlflow.io.models.MlflowModelRegistryDataset"}, False),
        ({"type": "kedro_mlflow.io.artifacts.MlflowArtifactDataset", "dataset": "a.B"}, False),
    ],
)
def test_what_kedro_mlflow_reads_from_its_own_run(entry, bound):
    """A metric or a model that names no MLflow run is found only by the process that logged it."""
    (dataset,) = CatalogEntries({"{name}": entry}).describe(["logged"])

    assert bound == dataset.of_process
    assert "other" == dataset.kind


def test_functions_of_every_shape_are_named(spaceport, export):
    """Lambdas, decorated functions, methods and callable objects are found where they are written."""
    append(
        spaceport / "src/spaceport/pipelines/reporting.py",
        """
import functools


def decorated(function):
    @functools.wraps(function)
    def inner(*arguments):
        return function(*arguments)
    return inner


@decorated
def wrapped(x):
    return x


class Scaler:
    '''Scales.'''

    def __call__(self, x):
        return x

    def method(self, x):
        return x


ordinary = create_pipeline


def create_pipeline():
    return ordinary() + pipeline([
        node(lambda x: x, "summary", "a", name="lambda"),
        node(wrapped, "summary", "b", name="wrapped"),
        node(Scaler().method, "summary", "d", name="method"),
        node(partial(Scaler()), "summary", "e", name="object"),
    ])
""",
    )

    nodes = by_name(export(spaceport)["nodes"])

    module = "spaceport.pipelines.reporting"
    assert f"{module}:create_pipeline.<locals>.<lambda>" == nodes["lambda"]["function"]
    assert f"{module}:wrapped" == nodes["wrapped"]["function"]
    assert f"{module}:Scaler.method" == nodes["method"]["function"]
    assert (f"{module}:Scaler", "Scales.") == (nodes["object"]["function"], nodes["object"]["doc"])
    for name in ("lambda", "wrapped", "method", "object"):
        assert nodes[name]["source_hash"]
        assert nodes[name]["source"]["path"] == "src/spaceport/pipelines/reporting.py"


def test_parameters_are_flattened(spaceport, export):
    """Mappings and their leaves are listed under dotted names, with YAML's types."""
    found = {
        each["name"]: (each["type"], each["value"]) for each in export(spaceport)["parameters"]
    }

    assert ("object", None) == found["training"]
    assert ("number", 0.5) == found["training.options.ridge"]
    assert ("null", None) == found["training.options.fallback"]
    assert ("array", [0.1, 0.9]) == found["training.options.quantiles"]
    assert ("number", 0.25) == found["training.weights_by_stop.1"]
    assert ("boolean", True) == found["training.enabled"]
    assert ("integer", 4) == found["minimum_seats"]
    assert ("string", None) == found["booking.api_token"]
    assert ("integer", 512) == found["booking.max_tokens"]


def test_params_are_merged_as_kedro_run_does(spaceport, export):
    """`--params` changes leaves deep in the parameters and leaves their neighbours alone."""
    manifest = export(spaceport, "--params", "training.options.ridge=2,greeting=Hi,new.deep=x")
    found = {each["name"]: each["value"] for each in manifest["parameters"]}

    assert 2 == found["training.options.ridge"]
    assert [0.1, 0.9] == found["training.options.quantiles"]
    assert ("Hi", "x") == (found["greeting"], found["new.deep"])
    given = {"training": {"options": {"ridge": 2}}, "greeting": "Hi", "new": {"deep": "x"}}
    assert given == manifest["given_parameters"]


def test_parameter_values_can_be_left_out(spaceport, export):
    """With `--no-parameter-values`, names and types stay, and no value is written."""
    manifest = export(spaceport, "--no-parameter-values", "--params", "greeting=Hi")

    assert manifest["parameter_values"] is False
    assert {"training.options.ridge", "greeting"} <= set(by_name(manifest["parameters"]))
    assert {None} == {each["value"] for each in manifest["parameters"]}
    assert {} == manifest["given_parameters"]


def test_one_pipeline_can_be_exported(spaceport, export):
    """With `--pipeline`, only its nodes and what they read and write are there."""
    manifest = export(spaceport, "--pipeline", "ingestion")

    assert ["ingestion"] == [each["name"] for each in manifest["pipelines"]]
    assert ["clean_companies", "clean_shuttles", "join"] == sorted(by_name(manifest["nodes"]))
    assert "summary" not in by_name(manifest["datasets"])


def test_several_pipelines_can_be_exported(spaceport, export):
    """`--pipeline` can be repeated."""
    manifest = export(spaceport, "-p", "training", "-p", "ingestion")

    assert ["ingestion", "training"] == [each["name"] for each in manifest["pipelines"]]


@pytest.mark.parametrize("how", ["option", "variable"])
def test_environment_is_kedros(spaceport, export, how):
    """`--env` and KEDRO_ENV choose the configuration, and the manifest says which."""
    options = ["--env", "cloud"] if how == "option" else []
    variables = {"KEDRO_ENV": "cloud"} if how == "variable" else {}

    manifest = export(spaceport, *options, **variables)

    assert "cloud" == manifest["project"]["env"]
    assert "s3" == by_name(manifest["datasets"])["companies"]["protocol"]
    assert 6 == by_name(manifest["parameters"])["minimum_seats"]["value"]


def test_dagster_yml_is_resolved(spaceport, export):
    """`dagster.yml` is read by the project's loader: interpolation, globals, environments."""
    base, cloud = export(spaceport), export(spaceport, "--env", "cloud")

    nightly = {"cron_schedule": "0 3 * * *", "execution_timezone": "Europe/London"}
    assert {
        "schedules": {"nightly": nightly},
        "concurrency": {"max_concurrent": 2},
    } == base["orchestration"]
    assert {"max_concurrent": 8} == cloud["orchestration"]["concurrency"]


def test_project_without_dagster_yml(spaceport, export):
    """No `dagster.yml` is no error: there is nothing to orchestrate beyond the pipelines."""
    (spaceport / "conf/base/dagster.yml").unlink()

    assert {} == export(spaceport)["orchestration"]


def test_hooks_that_change_the_configuration_are_seen(spaceport, export):
    """A catalog entry that a hook adds when the context is made is in the manifest."""
    datasets = by_name(export(spaceport, SPACEPORT_HOOK_ENTRY="north.features")["datasets"])

    assert ("file", "data/staged/north.features.pickle") == (
        datasets["north.features"]["kind"],
        datasets["north.features"]["uri"],
    )


def test_export_does_not_run_anything(spaceport, export):
    """An export reads no data and leaves nothing behind."""
    before = {path for path in spaceport.rglob("*") if "__pycache__" not in path.parts}

    export(spaceport)

    assert before == {path for path in spaceport.rglob("*") if "__pycache__" not in path.parts}


def test_project_is_found_from_below(spaceport, export):
    """The command works anywhere inside the project, as Kedro's do."""
    assert "spaceport" == export(spaceport / "conf/base")["project"]["package_name"]


def test_catch_all_factory_takes_no_parameters(spaceport, export):
    """A factory that matches every name resolves datasets only, never `params:…`."""
    append(
        spaceport / "conf/base/catalog.yml",
        '\n"{anything}":\n  type: pickle.PickleDataset\n  filepath: data/other/{anything}.pickle\n',
    )

    datasets = by_name(export(spaceport)["datasets"])

    assert ("file", "{anything}") == (
        datasets["north.features"]["kind"],
        datasets["north.features"]["pattern"],
    )
    assert not [name for name in datasets if name.startswith("param")]


def test_every_field_of_the_model_is_written(spaceport, export):
    """No field is left out of the file because it has its default."""
    manifest = export(spaceport)

    assert {field.name for field in msgspec.structs.fields(Manifest)} == set(manifest)


@pytest.mark.parametrize(
    "name", ["north.model", "clean_x", "CLEAN_x", "a.b.model", "x_1_y", "parts.p7", "loose"]
)
def test_factories_resolve_as_kedro_resolves_them(name):
    """The same factory and the same values as Kedro's own resolver, whatever overlaps."""
    catalog = {
        "{namespace}.model": {"type": "T", "filepath": "m/{namespace}.pickle", "versioned": True},
        "clean_{name}": {"type": "T", "filepath": "c/{name}", "metadata": {"of": ["{name}"]}},
        "{a}_{b}_{c}": {"type": "T{a}", "filepath": "{c}/{b}"},
        "parts.{p}": {"type": "P", "path": "{p}", "dataset": {"type": "T", "filepath": "{p}"}},
        "{rest}": {"type": "T", "filepath": "rest/{rest}"},
    }
    expected = CatalogConfigResolver(config=catalog).resolve_pattern(name)

    dataset = CatalogEntries(catalog).describe([name])[0]

    assert (expected["type"], expected.get("filepath") or expected["path"]) == (
        dataset.type,
        dataset.uri,
    )
    assert expected.get("metadata", {}) == dataset.metadata


CATALOG_WITH_RUNTIME_PARAMETERS = """
landed:
  type: pandas.CSVDataset
  # ${runtime_params:nobody}
  filepath: "${runtime_params: source.bucket, data}/${runtime_params:day,${runtime_params:month,1}}"
  load_args:
    usecols: ["${runtime_params:minimum_seats,3}"]
"""


def test_names_that_only_the_configuration_takes_from_a_run(spaceport, export):
    """`kedro run --params` takes them, though no file of parameters has them; comments are none."""
    append(spaceport / "conf/base/catalog.yml", CATALOG_WITH_RUNTIME_PARAMETERS)
    append(spaceport / "conf/cloud/parameters.yml", "\nto: ${runtime_params:to,nowhere}\n")

    assert ["day", "minimum_seats", "month", "source.bucket"] == export(spaceport)[
        "runtime_parameters"
    ]
