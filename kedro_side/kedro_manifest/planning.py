"""Which nodes must run for a selection, in which groups, in which order: pure, no I/O.

A group is what one worker process runs. Groups are convex: no path leaves a group and comes
back, so they can be run one after another. Knows names and edges, nothing of processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

import msgspec

from kedro_manifest.errors import CyclicPipelineError, DuplicateNameError, UnknownNameError
from kedro_manifest.model import Dataset, Manifest, Node
from kedro_manifest.names import strip_transcoding


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes that one worker runs, in topological order."""

    name: str
    """Name of its first node; `+N` where N more nodes share the process."""
    nodes: list[str]
    upstream: list[str] = []
    """Names of the groups that must succeed before this one starts, sorted."""
    joined_by: list[str] = []
    """In-memory datasets, and incremental ones with their confirmer, that keep it together."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Groups in topological order."""

    groups: list[Group]

    @property
    def nodes(self) -> list[str]:
        """All nodes that will run, group by group."""
        return [node for group in self.groups for node in group.nodes]


class PipelineGraph:
    """The nodes of a manifest with the edges that their datasets make.

    Datasets are named without transcoding throughout: `x@pandas` and `x@spark` are one.

    Raises:
        DuplicateNameError: Two nodes write one dataset.
        CyclicPipelineError: The nodes depend on each other in a circle.
    """

    def __init__(self, manifest: Manifest) -> None:
        self.nodes: dict[str, Node] = {node.name: node for node in manifest.nodes}
        self.datasets: dict[str, Dataset] = _primary_datasets(manifest)
        self.producers: dict[str, str] = _producers(manifest.nodes)
        self.predecessors: dict[str, set[str]] = {
            node.name: {self.producers[name] for name in inputs_of(node) if name in self.producers}
            for node in manifest.nodes
        }

    @cached_property
    def order(self) -> dict[str, int]:
        """Position of each node in a topological order; ties are broken by name."""
        return {name: index for index, name in enumerate(_sorted_topologically(self.predecessors))}

    def is_memory(self, dataset: str) -> bool:
        """Tell whether a dataset lives in the memory of one process only."""
        entry = self.datasets.get(dataset)
        return entry is None or entry.kind == "memory"

    def free_inputs(self) -> list[str]:
        """Datasets that nodes read and none writes, sorted."""
        read = {name for node in self.nodes.values() for name in inputs_of(node)}
        return sorted(read - self.producers.keys())

    def node(self, name: str) -> Node:
        """Return a node, or say which names are near."""
        if name not in self.nodes:
            raise UnknownNameError(unknown_name("node", name, self.nodes))
        return self.nodes[name]

    def producer(self, dataset: str) -> Node:
        """Return the node that writes a dataset, or say which names are near."""
        if dataset not in self.producers:
            raise UnknownNameError(unknown_name("produced dataset", dataset, self.producers))
        return self.nodes[self.producers[dataset]]


def inputs_of(node: Node) -> list[str]:
    """Datasets a node reads, transcoding stripped, each once."""
    return list(dict.fromkeys(strip_transcoding(name) for name in node.inputs))


def outputs_of(node: Node) -> list[str]:
    """Datasets a node writes, transcoding stripped, each once."""
    return list(dict.fromkeys(strip_transcoding(name) for name in node.outputs))


def needed_nodes(
    graph: PipelineGraph, datasets: Iterable[str] = (), nodes: Iterable[str] = ()
) -> set[str]:
    """Return the nodes that must run to save `datasets` and to run `nodes`.

    A persisted input is loaded; an in-memory one has to be made again in this run.
    """
    waiting = [graph.producer(name).name for name in datasets]
    waiting += [graph.node(name).name for name in nodes]
    needed: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        needed.add(name)
        waiting += [
            graph.producers[dataset]
            for dataset in inputs_of(graph.nodes[name])
            if dataset in graph.producers and graph.is_memory(dataset)
        ]
    return needed


def plan_groups(graph: PipelineGraph, nodes: Iterable[str]) -> Plan:
    """Return the smallest convex groups of `nodes` that keep in-memory data in one process."""
    chosen = set(nodes)
    predecessors = {name: graph.predecessors[name] & chosen for name in chosen}
    joined = _joined_nodes(graph, chosen)
    groups = _convex(predecessors, [pair for pairs in joined.values() for pair in pairs])
    return Plan(groups=_named(graph, predecessors, groups, joined))


def _joined_nodes(graph: PipelineGraph, chosen: set[str]) -> dict[str, list[tuple[str, str]]]:
    """Pairs of nodes that must share a process, by the dataset that binds them."""
    joined: dict[str, list[tuple[str, str]]] = {}
    confirmers = {
        strip_transcoding(dataset): name
        for name in sorted(chosen)
        for dataset in graph.nodes[name].confirms
    }
    for name in sorted(chosen):
        for dataset in inputs_of(graph.nodes[name]):
            producer = graph.producers.get(dataset)
            if producer in chosen and graph.is_memory(dataset):
                joined.setdefault(dataset, []).append((producer, name))
            # A checkpoint confirmed by another process than the one that loaded it
            # would cover partitions that nobody has read.
            if dataset in confirmers and confirmers[dataset] != name:
                joined.setdefault(dataset, []).append((confirmers[dataset], name))
    return joined


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
    return _components(edges)


def _components(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Tarjan's algorithm without recursion: a project may be thousands of nodes deep."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    open_nodes: list[str] = []
    closed: set[str] = set()
    components: list[list[str]] = []
    for root in sorted(edges):
        if root in index:
            continue
        path = [(root, iter(sorted(edges[root])))]
        index[root] = low[root] = len(index)
        open_nodes.append(root)
        while path:
            name, successors = path[-1]
            for successor in successors:
                if successor not in index:
                    index[successor] = low[successor] = len(index)
                    open_nodes.append(successor)
                    path.append((successor, iter(sorted(edges[successor]))))
                    break
                if successor not in closed:
                    low[name] = min(low[name], index[successor])
            else:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[name])
                if low[name] == index[name]:
                    position = open_nodes.index(name)
                    components.append(open_nodes[position:])
                    closed.update(open_nodes[position:])
                    del open_nodes[position:]
    return components


def _named(
    graph: PipelineGraph,
    predecessors: Mapping[str, set[str]],
    components: list[list[str]],
    joined: Mapping[str, list[tuple[str, str]]],
) -> list[Group]:
    members = [sorted(component, key=graph.order.__getitem__) for component in components]
    names = {nodes[0]: _group_name(nodes) for nodes in members}
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
        )
    order = _sorted_topologically({name: set(group.upstream) for name, group in groups.items()})
    return [groups[name] for name in order]


def _group_name(nodes: list[str]) -> str:
    return nodes[0] if len(nodes) == 1 else f"{nodes[0]}+{len(nodes) - 1}"


def _primary_datasets(manifest: Manifest) -> dict[str, Dataset]:
    """One entry for each name without transcoding: the one that is written, else the first."""
    written = {name for node in manifest.nodes for name in node.outputs}
    primary: dict[str, Dataset] = {}
    for dataset in manifest.datasets:
        stripped = strip_transcoding(dataset.name)
        if stripped not in primary or dataset.name in written:
            primary[stripped] = dataset
    return primary


def _producers(nodes: Iterable[Node]) -> dict[str, str]:
    producers: dict[str, str] = {}
    for node in nodes:
        for dataset in outputs_of(node):
            other = producers.setdefault(dataset, node.name)
            if other != node.name:
                raise DuplicateNameError(
                    f"Cannot order the nodes: dataset '{dataset}' is written by both '{other}' and "
                    f"'{node.name}'. Give one of them an output of its own, or export only the "
                    "pipelines that belong together (`kedro pipes export --pipeline NAME`)."
                )
    return producers


def _sorted_topologically(predecessors: Mapping[str, set[str]]) -> list[str]:
    sorter = TopologicalSorter(predecessors)
    try:
        sorter.prepare()
    except CycleError as error:
        path = " -> ".join(reversed(error.args[1]))
        raise CyclicPipelineError(
            f"Cannot order the nodes: they depend on each other in a circle: {path}. "
            "Give one of the datasets on it a name of its own."
        ) from error
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += ready
        sorter.done(*ready)
    return order


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message for a name that is not there, with the nearest that are."""
    near = get_close_matches(name, known)
    hint = f"Did you mean {', '.join(map(repr, near))}?" if near else "Export the manifest again."
    return f"Cannot find {kind} '{name}' in the manifest. {hint}"
