"""What `dagster.yml` says of groups, as the manifest carries it: with its keys sorted."""

import msgspec
import pytest
from kedro_manifest.codec import decode_manifest, encode_manifest
from kedro_manifest.errors import AmbiguousGroupError, OrchestrationError
from kedro_manifest.model import Dataset, Manifest, Node, Pipeline, Project
from kedro_manifest.orchestration.root import orchestration_of
from kedro_manifest.planning.graph import PipelineGraph
from kedro_manifest.planning.grouping import ExplicitGroup, GroupPolicy, Label, label_nodes
from kedro_manifest.planning.plan import plan_groups

PROJECT = Project(name="p", package_name="p", kedro_version="1.7.0", python_version="3.11")


@pytest.mark.parametrize(
    ("dataset", "staged"), [("lock", False), ("model_a", True), ("model_b", False), ("other", True)]
)
def test_most_specific_name_counts(dataset, staged):
    """The manifest sorts its keys, so `*` would come first if their order counted."""
    entries = {"lock": "group", "model_*": "group", "model_a": "stage", "*": "stage"}
    manifest = Manifest(project=PROJECT, orchestration={"memory_datasets": entries})
    read = decode_manifest(encode_manifest(manifest))

    assert staged == orchestration_of(read).group_policy().may_stage(dataset)


def test_smallest_pipeline_counts():
    """A pipeline that is composed of others does not swallow them as groups."""
    nodes = [Node(name=name, function="m:f", outputs=[f"{name}_out"]) for name in ("a", "b")]
    pipelines = [
        Pipeline(name="__default__", nodes=["a", "b"]),
        Pipeline(name="all", nodes=["a", "b"]),
        Pipeline(name="part", nodes=["a"]),
    ]
    manifest = Manifest(project=PROJECT, nodes=nodes, pipelines=pipelines)
    labels = label_nodes(PipelineGraph(manifest), GroupPolicy(strategy="pipeline"))

    assert {"a": Label("pipeline", "part"), "b": Label("pipeline", "all")} == labels


def test_default_tag_prefix_is_a_legal_tag():
    """Kedro's tags hold letters, digits, hyphens, underscores and dots only."""
    prefix = GroupPolicy().tag_prefix
    tagged = Node(name="a", function="m:f", tags=[f"{prefix}x"])
    manifest = Manifest(project=PROJECT, nodes=[tagged])
    labels = label_nodes(PipelineGraph(manifest), GroupPolicy(strategy="tag"))

    assert {"a": Label("tag", "group.x")} == labels
    assert prefix == msgspec.convert({}, type(orchestration_of(manifest))).grouping.tag_prefix


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (
            {"nodes": ["train_modle"]},
            "groups.mine.nodes: there is no node 'train_modle'.*'train_model'",
        ),
        ({"tags": ["heavi"]}, "groups.mine.tags: there is no tag 'heavi'.*'heavy'"),
        ({"namespaces": ["nort"]}, "groups.mine.namespaces: there is no namespace 'nort'.*'north'"),
        (
            {"pipelines": ["trainin"]},
            "groups.mine.pipelines: there is no pipeline 'trainin'.*'training'",
        ),
        ("modell", "memory_datasets: there is no dataset 'modell'.*'model'"),
    ],
)
def test_names_that_are_not_there(policy, said):
    """An entry of `dagster.yml` that names nothing is told with the nearest names that there are."""
    node = Node(
        name="train_model", function="m:f", outputs=["model"], tags=["heavy"], namespace="north"
    )
    graph = PipelineGraph(
        Manifest(
            project=PROJECT,
            nodes=[node],
            pipelines=[Pipeline(name="training", nodes=["train_model"])],
            datasets=[Dataset(name="model", type="T", kind="memory")],
        )
    )
    given = (
        GroupPolicy(memory_by_dataset={policy: "stage"})
        if isinstance(policy, str)
        else GroupPolicy(groups={"mine": ExplicitGroup(**policy)})
    )

    with pytest.raises(OrchestrationError, match=said):
        plan_groups(graph, graph.nodes, given)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (
            GroupPolicy(
                groups={"one": ExplicitGroup(nodes=["a"]), "two": ExplicitGroup(tags=["group.x"])}
            ),
            "node 'a': it is in both groups.one and groups.two",
        ),
        (GroupPolicy(strategy="tag"), "node 'a': it has 2 tags that begin with 'group.'"),
    ],
)
def test_a_node_in_two_groups(policy, said):
    """Nobody can tell which of them was meant, so both are named."""
    tagged = Node(name="a", function="m:f", tags=["group.x", "group.y"])
    graph = PipelineGraph(Manifest(project=PROJECT, nodes=[tagged]))

    with pytest.raises(AmbiguousGroupError, match=said):
        label_nodes(graph, policy)
