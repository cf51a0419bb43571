"""Manifests made in Python: the Dagster side needs no Kedro, and no files of Kedro's."""

import dagster as dg
import pytest
from dagster_kedro import KedroPipesResource, KedroProject, kedro_assets
from dagster_kedro.clients.scripted import Script, ScriptedClient, script_lines
from kedro_manifest.codec import write_manifest
from kedro_manifest.model import Dataset, Manifest, Node, Pipeline, Project


def make_node(name: str, inputs=(), outputs=(), **fields) -> Node:
    """Return a node of the module `shop.nodes`."""
    fields.setdefault("function", f"shop.nodes:{name}")
    return Node(name=name, inputs=list(inputs), outputs=list(outputs), **fields)


def make_manifest(
    *nodes: Node,
    memory=(),
    datasets=(),
    pipelines=None,
    parameters=(),
    runtime_parameters=(),
    hooks=(),
    orchestration=None,
) -> Manifest:
    """Return a manifest in which every dataset that is not described is a CSV file."""
    described = {dataset.name: dataset for dataset in datasets}
    names = {name for node in nodes for name in (*node.inputs, *node.outputs)}
    for name in sorted(names - described.keys()):
        described[name] = (
            Dataset(name=name, type="MemoryDataset", kind="memory")
            if name in memory
            else Dataset(name=name, type="pandas.CSVDataset", kind="file", uri=f"data/{name}.csv")
        )
    pipelines = pipelines or {"__default__": [node.name for node in nodes]}
    return Manifest(
        project=Project(
            name="Shop", package_name="shop", kedro_version="1.7.0", python_version="3.11"
        ),
        nodes=list(nodes),
        datasets=list(described.values()),
        pipelines=[Pipeline(name=name, nodes=sorted(of)) for name, of in pipelines.items()],
        parameters=list(parameters),
        runtime_parameters=list(runtime_parameters),
        hooks=list(hooks),
        orchestration=orchestration or {},
    )


@pytest.fixture(scope="session")
def node():
    """Make a node."""
    return make_node


@pytest.fixture(scope="session")
def manifest():
    """Make a manifest."""
    return make_manifest


@pytest.fixture
def project(tmp_path):
    """Make a project of some nodes: a folder with a manifest in it."""

    def make(*nodes: Node, **fields) -> KedroProject:
        write_manifest(make_manifest(*nodes, **fields), tmp_path / "manifest.json")
        return KedroProject(tmp_path)

    return make


@pytest.fixture(scope="session")
def playing():
    """Make a client whose workers, one for each node, log a line and save what the node writes."""

    def make(*nodes: Node) -> ScriptedClient:
        return ScriptedClient.playing({node.name: _script_of(node) for node in nodes})

    return make


def _script_of(node: Node) -> Script:
    keys = [name.replace(".", "/") for name in node.outputs or [node.name]]
    saved = [
        ("report_asset_materialization", {"asset_key": key, "metadata": {}, "data_version": None})
        for key in keys
    ]
    said = ("log", {"message": f"hello from {node.name}", "level": "INFO"})
    return Script(lines=script_lines(("opened", {}), said, *saved, ("closed", {})))


@pytest.fixture(scope="session")
def assets_of():
    """Make the multi-asset of a project, as a user would."""

    def make(project: KedroProject, **options) -> dg.AssetsDefinition:
        @kedro_assets(project=project, **options)
        def run_nodes(context: dg.AssetExecutionContext, kedro: KedroPipesResource):
            yield from kedro.run(context).stream()

        return run_nodes

    return make


@pytest.fixture
def mixed(project, node):
    """A pipeline with two partitions definitions, and nodes without any before and after."""
    months = {"type": "monthly", "start": "2013-01", "end": "2014-01", "key_format": "%Y-%m"}
    shops = {"type": "static", "keys": ["north", "south"]}

    def make(**options):
        return project(
            node("clean", ["orders"], ["cleaned"]),
            node("split", ["cleaned"], ["monthly"]),
            node("by_shop", ["monthly"], ["shops"]),
            node("report", ["shops"], ["summary"]),
            orchestration={
                "partitions": {
                    "months": {**months, "datasets": ["monthly"]},
                    "shops": {**shops, "datasets": ["shops"]},
                },
                **options,
            },
        )

    return make
