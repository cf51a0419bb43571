"""The groups in which some nodes run: as asked for, convex, and never against the data. Pure.

A group is what one worker process runs. Groups are convex: no path leaves a group and comes
back, so they can be run one after another. Knows names and edges, nothing of processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

import msgspec

from kedro_manifest.errors import GroupCycleError, OrchestrationError
from kedro_manifest.names import strip_transcoding
from kedro_manifest.planning.components import strong_components
from kedro_manifest.planning.graph import PipelineGraph, inputs_of, sort_topologically
from kedro_manifest.planning.grouping import (
    GroupPolicy,
    Label,
    is_staged,
    label_nodes,
    unknown_datasets,
)

_KEEP_APART = GroupPolicy()
_SHOWN_LABELS = 5


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes that one worker runs, in topological order."""

    name: str
    """What it was grouped by, or its first node; `+N` where N more nodes share the process."""
    nodes: list[str]
    upstream: list[str] = []
    """Names of the groups that must succeed before this one starts, sorted."""
    joined_by: list[str] = []
    """In-memory datasets, and incremental ones with their confirmer, that keep it together."""
    label: Label | None = None
    """What its nodes have in common by policy; None if it holds nodes of several labels."""
    explicit: list[str] = []
    """The groups of `dagster.yml` that its nodes were asked to be in, sorted; their settings
    apply to it."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Groups in topological order."""

    groups: list[Group]
    staged: list[str] = []
    """In-memory datasets that cross from one group to another, sorted."""
    warnings: list[str] = []
    """Groups that became larger than asked for, and why."""

    @property
    def nodes(self) -> list[str]:
        """All nodes that will run, group by group."""
        return [node for group in self.groups for node in group.nodes]


def plan_groups(
    graph: PipelineGraph,
    nodes: Iterable[str],
    policy: GroupPolicy = _KEEP_APART,
) -> Plan:
    """Return the smallest convex groups of `nodes` that honour a policy and the data.

    Raises:
        GroupCycleError: Groups would wait for each other, and the policy refuses to widen them.
        OrchestrationError: The policy names what is not there.
        AmbiguousGroupError: The policy puts a node in two groups.
    """
    for name in unknown_datasets(graph, policy):
        raise OrchestrationError.unknown("memory_datasets", "dataset", name, graph.datasets)
    chosen = set(nodes)
    labels = label_nodes(graph, policy)
    predecessors = {name: graph.predecessors[name] & chosen for name in chosen}
    joined = _joined_by_data(graph, chosen, policy)
    pairs = [pair for bound in joined.values() for pair in bound]
    by_data = _convex(predecessors, pairs)
    components = _convex(predecessors, pairs + _joined_by_label(labels, chosen))
    warnings = _widened(predecessors, labels, components, by_data, policy)
    groups = _named(graph, predecessors, components, joined, labels)
    return Plan(groups=groups, staged=_staged(graph, groups, chosen), warnings=warnings)


def _joined_by_data(
    graph: PipelineGraph, chosen: set[str], policy: GroupPolicy
) -> dict[str, list[tuple[str, str]]]:
    """Pairs of nodes that must share a process, by the dataset that binds them."""
    joined: dict[str, list[tuple[str, str]]] = {}
    confirmers: dict[str, list[str]] = {}
    for name in sorted(chosen):
        for dataset in graph.nodes[name].confirms:
            confirmers.setdefault(strip_transcoding(dataset), []).append(name)
    for name in sorted(chosen):
        for dataset in inputs_of(graph.nodes[name]):
            producer = graph.producers.get(dataset)
            in_memory = graph.is_memory(dataset) and not is_staged(graph, policy, dataset)
            if producer in chosen and (in_memory or graph.is_of_process(dataset)):
                joined.setdefault(dataset, []).append((producer, name))
            # A checkpoint confirmed by another process than the one that loaded it
            # would cover partitions that nobody has read.
            for confirmer in confirmers.get(dataset, ()):
                if confirmer != name:
                    joined.setdefault(dataset, []).append((confirmer, name))
    return joined


def _joined_by_label(labels: Mapping[str, Label], chosen: set[str]) -> list[tuple[str, str]]:
    members: dict[Label, list[str]] = {}
    for name in sorted(chosen):
        members.setdefault(labels[name], []).append(name)
    return [pair for names in members.values() for pair in pairwise(names)]


def _convex(
    predecessors: Mapping[str, set[str]], pairs: Iterable[tuple[str, str]]
) -> list[list[str]]:
    """Strongly connected components once each pair is tied both ways.

    Tying a pair both ways puts every node on a path between the two on a circle, so the
    components are closed over the nodes between, and what is left between them is acyclic.
    """
    edges: dict[str, set[str]] = {name: set(before) for name, before in predecessors.items()}
    for left, right in pairs:
        edges[left].add(right)
        edges[right].add(left)
    return strong_components(edges)


def _widened(
    predecessors: Mapping[str, set[str]],
    labels: Mapping[str, Label],
    components: list[list[str]],
    by_data: list[list[str]],
    policy: GroupPolicy,
) -> list[str]:
    """Say which groups hold more than one label; refuse them if the policy says so.

    What the data alone binds together is no widening: it was never to be had apart.
    """
    bound = {name: number for number, names in enumerate(by_data) for name in names}
    warnings = []
    for names in components:
        found = sorted({labels[name] for name in names}, key=lambda label: (label.kind, label.name))
        asked = [label for label in found if label.kind != "node"]
        if len(found) < 2 or not asked or len({bound[name] for name in names}) == 1:  # noqa: PLR2004 - two is several
            continue
        message = _describe_widening(predecessors, labels, set(names), found)
        if policy.on_cycle == "refuse":
            raise GroupCycleError(
                f"Cannot keep groups apart: {message} Put them into one group, or set "
                "`on_cycle: widen`."
            )
        warnings.append(f"Groups became one: {message}")
    return sorted(warnings)


def _describe_widening(
    predecessors: Mapping[str, set[str]],
    labels: Mapping[str, Label],
    names: set[str],
    found: list[Label],
) -> str:
    shown = ", ".join(map(str, found[:_SHOWN_LABELS]))
    if len(found) > _SHOWN_LABELS:
        shown += f" and {len(found) - _SHOWN_LABELS} more"
    circle = _waiting_labels(predecessors, labels, names)
    if not circle:
        return f"{shown} are bound by data that cannot leave its process."
    within = {name for name in names if labels[name] in circle}
    members = {name for name in within if labels[name] == circle[0]}
    path = " -> ".join(_path_out_and_back(predecessors, within, members))
    return f"{shown} would wait for each other along {path}."


def _waiting_labels(
    predecessors: Mapping[str, set[str]], labels: Mapping[str, Label], names: set[str]
) -> list[Label]:
    """Return labels whose nodes would wait for each other, were it not for any data."""
    by_key = {str(labels[name]): labels[name] for name in names}
    edges: dict[str, set[str]] = {key: set() for key in by_key}
    for name in names:
        key = str(labels[name])
        for before in predecessors[name] & names:
            edges[key].add(str(labels[before]))
    circles = [found for found in strong_components(edges) if len(found) > 1]
    return [by_key[key] for key in sorted(circles[0])] if circles else []


def _path_out_and_back(
    predecessors: Mapping[str, set[str]], within: set[str], members: set[str]
) -> list[str]:
    """Return a shortest path that leaves `members` and comes back; empty if there is none."""
    next_on_path: dict[str, str] = {}
    for end in sorted(members):
        for before in sorted((predecessors[end] & within) - members - next_on_path.keys()):
            next_on_path[before] = end
    waiting = list(next_on_path)
    for name in waiting:  # grows while it is walked: breadth first, against the edges
        if back := sorted(predecessors[name] & members):
            path = [back[0], name]
            while path[-1] not in members:
                path.append(next_on_path[path[-1]])
            return path
        for before in sorted((predecessors[name] & within) - next_on_path.keys()):
            next_on_path[before] = name
            waiting.append(before)
    return []


def _staged(graph: PipelineGraph, groups: list[Group], chosen: set[str]) -> list[str]:
    group_of = {node: group.name for group in groups for node in group.nodes}
    return sorted(
        {
            dataset
            for name in chosen
            for dataset in inputs_of(graph.nodes[name])
            if graph.is_memory(dataset)
            and group_of.get(graph.producers.get(dataset, name)) != group_of[name]
        }
    )


def _named(
    graph: PipelineGraph,
    predecessors: Mapping[str, set[str]],
    components: list[list[str]],
    joined: Mapping[str, list[tuple[str, str]]],
    labels: Mapping[str, Label],
) -> list[Group]:
    members = [sorted(names, key=graph.order.__getitem__) for names in components]
    common = {nodes[0]: _common_label(nodes, labels) for nodes in members}
    names = _unique_names(members, common)
    group_of = {node: names[nodes[0]] for nodes in members for node in nodes}
    bonds: dict[str, set[str]] = {}
    for dataset, pairs in joined.items():
        for left, _ in pairs:
            bonds.setdefault(group_of[left], set()).add(dataset)
    groups = {}
    for nodes in members:
        name = names[nodes[0]]
        before = {group_of[other] for node in nodes for other in predecessors[node]}
        groups[name] = Group(
            name=name,
            nodes=nodes,
            upstream=sorted(before - {name}),
            joined_by=sorted(bonds.get(name, ())),
            label=common[nodes[0]],
            explicit=sorted({labels[node].name for node in nodes if labels[node].kind == "group"}),
        )
    order = sort_topologically({name: set(group.upstream) for name, group in groups.items()})
    return [groups[name] for name in order]


def _common_label(nodes: list[str], labels: Mapping[str, Label]) -> Label | None:
    found = {labels[name] for name in nodes}
    return found.pop() if len(found) == 1 else None


def _unique_names(members: list[list[str]], common: Mapping[str, Label | None]) -> dict[str, str]:
    """Name each group, by its first node; a namespace `ns` and a node `ns` are kept apart."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for nodes in members:
        label = common[nodes[0]]
        if label is not None and label.kind != "node":
            name = label.name if label.name not in taken else f"{label.kind} {label.name}"
        else:
            name = nodes[0] if len(nodes) == 1 else f"{nodes[0]}+{len(nodes) - 1}"
        while name in taken:
            name += "'"
        taken.add(name)
        names[nodes[0]] = name
    return names
