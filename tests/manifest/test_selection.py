from __future__ import annotations

import pytest
from kedro_manifest.errors import UnknownNameError
from kedro_manifest.model import Dataset, Manifest, Node, Pipeline, Project
from kedro_manifest.planning.graph import PipelineGraph
from kedro_manifest.planning.selection import NodeFilter, filter_nodes, unfinished_nodes

PROJECT = Project(name="p", package_name="p", kedro_version="1.7.0", python_version="3.11")


def node(name, inputs=(), outputs=(), **more):
    return Node(name=name, function="m:f", inputs=list(inputs), outputs=list(outputs), **more)


NODES = [
    node("read", ["raw"], ["table@pandas"], tags=["daily"], namespace="ingest"),
    node("count", ["table@text"], ["length"], tags=["daily", "cheap"], namespace="ingest.deep"),
    node("fit", ["table@pandas"], ["model"], parameters=["params:depth"], namespace="train"),
    node("show", ["model", "length"], [], tags=["cheap"]),
    node("other", ["elsewhere"], ["apart"]),
]
PIPELINES = {
    "__default__": ["read", "count", "fit", "show"],
    "ends": ["read", "show"],
    "side": ["other"],
}


def select(**filters):
    manifest = Manifest(
        project=PROJECT,
        nodes=NODES,
        pipelines=[Pipeline(name=name, nodes=nodes) for name, nodes in PIPELINES.items()],
    )
    return filter_nodes(PipelineGraph(manifest), NodeFilter(**filters))


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, {"read", "count", "fit", "show"}),
        ({"pipelines": ["side"]}, {"other"}),
        ({"pipelines": ["side", "ends"]}, {"other", "read", "show"}),
        ({"tags": ["cheap"]}, {"count", "show"}),
        ({"tags": ["daily", "cheap"]}, {"read", "count", "show"}),
        ({"node_names": ["fit", "read"]}, {"fit", "read"}),
        ({"from_nodes": ["fit"]}, {"fit", "show"}),
        ({"to_nodes": ["fit"]}, {"read", "fit"}),
        ({"from_nodes": ["read"], "to_nodes": ["count"]}, {"read", "count"}),
        ({"namespaces": ["ingest"]}, {"read", "count"}),
        ({"namespaces": ["ingest.deep", "train"]}, {"count", "fit"}),
        ({"from_inputs": ["table"]}, {"count", "fit", "show"}),
        ({"from_inputs": ["table@text"]}, {"count", "show"}),
        ({"from_inputs": ["params:depth"]}, {"fit", "show"}),
        ({"to_outputs": ["table"]}, {"read"}),
        ({"to_outputs": ["table@pandas", "length"]}, {"read", "count"}),
        ({"tags": ["cheap"], "namespaces": ["ingest"]}, {"count"}),
        ({"tags": ["cheap"], "namespaces": ["train"]}, set()),
    ],
)
def test_each_filter_narrows_what_the_pipelines_hold(filters, expected):
    """Values of one filter widen it, filters narrow each other, as in `kedro run`."""
    assert expected == select(**filters)


def test_edges_outside_the_chosen_pipelines_do_not_count():
    """In `ends` nothing leads from `read` to `show`: what lies between is not in it."""
    assert {"read"} == select(pipelines=["ends"], from_nodes=["read"])


def test_a_dataset_that_nobody_reads_or_writes_here_selects_nothing():
    """Nothing leads to a free input: it is known, and stands for no node."""
    assert set() == select(to_outputs=["raw"])
    assert set() == select(pipelines=["side"], from_inputs=["apart"])
    assert {"read"} == select(to_outputs=["raw", "table"])


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"pipelines": ["sides"]}, "pipeline 'sides'.*'side'"),
        ({"tags": ["daly"]}, "tag 'daly'.*'daily'"),
        ({"node_names": ["other"]}, "node 'other'"),
        ({"namespaces": ["inges"]}, "namespace 'inges'.*'ingest'"),
        ({"from_inputs": ["apart"]}, "input 'apart'"),
        ({"namespaces": ["deep"]}, "namespace 'deep'"),
        ({"from_inputs": ["tabel"]}, "input 'tabel'.*'table'"),
        ({"to_outputs": ["table@txt"]}, "output 'table@txt'.*'table@text'"),
    ],
)
def test_what_nobody_has_is_refused_with_the_nearest_names(filters, message):
    """A misspelt value is an error that names its neighbours; also a tag, unlike in Kedro."""
    with pytest.raises(UnknownNameError, match=message):
        select(**filters)


GROUP = [
    node("take", ["parts"], ["rows", "note"]),
    node("sum", ["rows"], ["total"]),
    node("tell", ["note"], ["told"], confirms=["parts"]),
]


@pytest.mark.parametrize(
    ("finished", "available", "expected"),
    [
        (set(), set(), {"take", "sum", "tell"}),
        ({"take"}, set(), {"take", "sum", "tell"}),
        ({"take", "tell"}, set(), {"take", "sum"}),
        ({"take", "tell"}, {"rows"}, {"sum"}),
        ({"take", "sum"}, {"rows"}, {"take", "tell"}),
        ({"take", "sum", "tell"}, set(), {"take", "sum", "tell"}),
    ],
)
def test_what_is_left_of_a_group(finished, available, expected):
    """Nodes run again for what they keep in memory, and for who confirms what they have loaded."""
    files = [Dataset(name=name, type="x", kind="file") for name in ("parts", "note", "told")]
    graph = PipelineGraph(Manifest(project=PROJECT, nodes=GROUP, datasets=files))

    assert expected == unfinished_nodes(graph, graph.nodes, finished, available)
