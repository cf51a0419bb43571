"""What a user asks of groups: a strategy, explicit groups, what may be staged. Pure data.

A label is what a node's group is asked to be: nodes of one label are asked to share a process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from kedro_manifest.errors import AmbiguousGroupError, OrchestrationError
from kedro_manifest.model import Node
from kedro_manifest.patterns import matching_patterns
from kedro_manifest.planning.graph import PipelineGraph
from kedro_manifest.planning.selection import DEFAULT_PIPELINE, namespaces_of

Strategy = Literal["node", "namespace", "tag", "pipeline"]
MemoryPolicy = Literal["group", "stage"]
OnCycle = Literal["widen", "refuse"]
_WILDCARDS = frozenset("*?[")


class Label(msgspec.Struct, frozen=True):
    """What a node is grouped by. Of two kinds, the same name never means the same group."""

    kind: Literal["node", "namespace", "tag", "pipeline", "group"]
    name: str

    def __str__(self) -> str:
        """Return the label as messages spell it."""
        return f"{self.kind} '{self.name}'"


class ExplicitGroup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nodes that are to share a process: all that one of these names, tags, … stands for."""

    nodes: list[str] = []
    """Names of nodes."""
    tags: list[str] = []
    """Tags: all nodes that have one of them."""
    namespaces: list[str] = []
    """Namespaces: all nodes in one of them, or in one inside of it."""
    pipelines: list[str] = []
    """Registered pipelines: all nodes of one of them."""


class GroupPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How nodes are to be grouped."""

    strategy: Strategy = "node"
    tag_prefix: str = "group."
    """With the `tag` strategy: the tags that name groups. Kedro takes no colon in a tag."""
    groups: dict[str, ExplicitGroup] = {}
    """Explicit groups; they come before the strategy."""
    memory_datasets: MemoryPolicy = "group"
    """Whether in-memory data keeps its nodes together, or is staged between processes."""
    memory_by_dataset: dict[str, MemoryPolicy] = {}
    """Exceptions by dataset name; `*` stands for anything, and the most specific name counts."""
    on_cycle: OnCycle = "widen"
    """What to do with groups that would wait for each other."""

    def may_stage(self, dataset: str) -> bool:
        """Tell whether a dataset of this name may cross between processes."""
        matching = matching_patterns(self.memory_by_dataset, dataset)
        policy = self.memory_by_dataset[matching[-1]] if matching else self.memory_datasets
        return policy == "stage"


def is_staged(graph: PipelineGraph, policy: GroupPolicy, dataset: str) -> bool:
    """Tell whether an in-memory dataset crosses between processes where it has to.

    What can hardly be pickled does not, unless it is asked for by its own name.
    """
    named = dataset in policy.memory_by_dataset
    return policy.may_stage(dataset) and (named or graph.unpicklable(dataset) is None)


def unknown_datasets(graph: PipelineGraph, policy: GroupPolicy) -> list[str]:
    """Return the entries of `memory_datasets` that name a dataset which is not there."""
    named = (name for name in policy.memory_by_dataset if _WILDCARDS.isdisjoint(name))
    return sorted(name for name in named if name not in graph.datasets)


def label_nodes(graph: PipelineGraph, policy: GroupPolicy) -> dict[str, Label]:
    """Return each node's label.

    Raises:
        OrchestrationError: An explicit group names what is not there.
        AmbiguousGroupError: A node is in two explicit groups, or has two group tags.
    """
    by_strategy = _strategies(graph, policy)[policy.strategy]
    labels = {name: by_strategy(node) for name, node in graph.nodes.items()}
    return {**labels, **_explicit_labels(graph, policy)}


def _strategies(
    graph: PipelineGraph, policy: GroupPolicy
) -> dict[Strategy, Callable[[Node], Label]]:
    first_pipeline: dict[str, str] = {}
    # The smallest pipeline counts, and comes last: one that is composed of others holds them all.
    for pipeline in sorted(
        graph.manifest.pipelines, key=lambda each: (len(each.nodes), each.name), reverse=True
    ):
        if pipeline.name != DEFAULT_PIPELINE:
            first_pipeline.update(dict.fromkeys(pipeline.nodes, pipeline.name))

    def by_namespace(node: Node) -> Label:
        alone = Label("node", node.name)
        return Label("namespace", node.namespace.split(".")[0]) if node.namespace else alone

    def by_tag(node: Node) -> Label:
        tags = [tag for tag in node.tags if tag.startswith(policy.tag_prefix)]
        if len(tags) > 1:
            raise AmbiguousGroupError(
                f"Cannot group node '{node.name}': it has {len(tags)} tags that begin with "
                f"'{policy.tag_prefix}': {', '.join(tags)}. Leave one."
            )
        return Label("tag", tags[0]) if tags else Label("node", node.name)

    def by_pipeline(node: Node) -> Label:
        name = first_pipeline.get(node.name)
        return Label("pipeline", name) if name else Label("node", node.name)

    return {
        "node": lambda node: Label("node", node.name),
        "namespace": by_namespace,
        "tag": by_tag,
        "pipeline": by_pipeline,
    }


def _explicit_labels(graph: PipelineGraph, policy: GroupPolicy) -> dict[str, Label]:
    labels: dict[str, Label] = {}
    for group, wanted in policy.groups.items():
        for name in sorted(members_of(graph, wanted, f"groups.{group}")):
            other = labels.setdefault(name, Label("group", group))
            if other.name != group:
                raise AmbiguousGroupError(
                    f"Cannot group node '{name}': it is in both groups.{other.name} and "
                    f"groups.{group}. Take it out of one of them."
                )
    return labels


def members_of(graph: PipelineGraph, wanted: ExplicitGroup, place: str) -> set[str]:
    """Return the nodes that some names, tags, … stand for.

    Args:
        graph: The nodes that there are.
        wanted: Names, tags, namespaces and pipelines.
        place: Where they stand, for errors: `groups.train`.

    Raises:
        OrchestrationError: One of them is not there.
    """
    nodes = graph.nodes.values()
    pipelines = {pipeline.name: set(pipeline.nodes) for pipeline in graph.manifest.pipelines}
    by_tag: dict[str, set[str]] = {}
    by_namespace: dict[str, set[str]] = {}
    for node in nodes:
        for tag in node.tags:
            by_tag.setdefault(tag, set()).add(node.name)
        for namespace in namespaces_of(node.namespace):
            by_namespace.setdefault(namespace, set()).add(node.name)
    members: set[str] = set()
    for key, names, known in (
        ("nodes", wanted.nodes, {name: {name} for name in graph.nodes}),
        ("tags", wanted.tags, by_tag),
        ("namespaces", wanted.namespaces, by_namespace),
        ("pipelines", wanted.pipelines, pipelines),
    ):
        for name in names:
            if name not in known:
                raise OrchestrationError.unknown(f"{place}.{key}", key.rstrip("s"), name, known)
            members |= known[name]
    return members
