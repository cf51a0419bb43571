"""Which nodes a selection stands for: `kedro run`'s filters, and what Dagster selects. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property, lru_cache

import msgspec

from kedro_manifest.errors import UnknownNameError
from kedro_manifest.model import Node
from kedro_manifest.names import strip_transcoding
from kedro_manifest.planning.graph import PipelineGraph, inputs_of, outputs_of

DEFAULT_PIPELINE = "__default__"

NodesByValue = dict[str, set[str]]


class NodeFilter(msgspec.Struct, frozen=True, kw_only=True):
    """The filters of `kedro run`. Each one that is given narrows the result.

    Several values of one filter widen it, as there: any of the tags, any of the namespaces.
    """

    pipelines: list[str] = msgspec.field(default_factory=lambda: [DEFAULT_PIPELINE])
    tags: list[str] = []
    node_names: list[str] = []
    from_nodes: list[str] = []
    to_nodes: list[str] = []
    from_inputs: list[str] = []
    to_outputs: list[str] = []
    namespaces: list[str] = []


def filter_nodes(graph: PipelineGraph, wanted: NodeFilter) -> set[str]:
    """Return the nodes that `kedro run` would run with these filters.

    Raises:
        UnknownNameError: A value that no node of the pipelines has.
    """
    part = _part(graph, tuple(wanted.pipelines))
    filters: list[
        tuple[str, list[str], Callable[[], NodesByValue], Callable[[], NodesByValue] | None]
    ] = [
        ("tag", wanted.tags, lambda: part.tagged, None),
        ("node", wanted.node_names, lambda: part.named, None),
        ("node", wanted.from_nodes, lambda: part.named, lambda: part.edges[0]),
        ("node", wanted.to_nodes, lambda: part.named, lambda: part.edges[1]),
        ("input", wanted.from_inputs, lambda: part.reading, lambda: part.edges[0]),
        ("output", wanted.to_outputs, lambda: part.writing, lambda: part.edges[1]),
        ("namespace", wanted.namespaces, lambda: part.in_namespace, None),
    ]
    chosen = part.within
    for kind, values, nodes_by_value, edges in filters:
        if values:
            matching = _matching(kind, values, nodes_by_value())
            chosen &= _reachable(matching, edges()) if edges is not None else matching
    return set(chosen)


def needed_nodes(
    graph: PipelineGraph,
    datasets: Iterable[str] = (),
    nodes: Iterable[str] = (),
    available: AbstractSet[str] = frozenset(),
) -> set[str]:
    """Return the nodes that must run to save `datasets` and to run `nodes`.

    A persisted input is loaded; an in-memory one has to be made again in this run, unless an
    earlier attempt has staged it, and so has one that only the process that saves it can load.
    What a node confirms has to be loaded in this run: confirmed alone, it would cover partitions
    that nobody has read (`PipelineGraph.loaders`).

    Args:
        graph: The nodes and their edges.
        datasets: What is to be saved, without transcoding.
        nodes: What is to run besides.
        available: In-memory datasets that can be loaded all the same.
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
            if dataset in graph.producers
            and (graph.is_memory(dataset) or graph.is_of_process(dataset))
            and dataset not in available
        ]
        waiting += graph.loaders.get(name, ())
    return needed


def unfinished_nodes(
    graph: PipelineGraph,
    nodes: Iterable[str],
    finished: AbstractSet[str],
    available: AbstractSet[str] = frozenset(),
) -> set[str]:
    """Return the nodes of a group that have to run once more; all of them if none is left.

    A finished node runs again if an unfinished one needs what it makes in memory, or confirms
    what it has loaded: a checkpoint made by a process that has loaded nothing covers what nobody
    has read.

    Args:
        graph: The nodes and their edges.
        nodes: Those of the group.
        finished: Those of which nothing is missing.
        available: In-memory datasets that can be loaded all the same.
    """
    every = set(nodes)
    running: set[str] = set()
    wanted = every - finished or every
    while wanted != running:
        running = needed_nodes(graph, nodes=wanted, available=available)
        confirmed = {
            strip_transcoding(name) for node in running for name in graph.nodes[node].confirms
        }
        loading = {name for name in every if confirmed.intersection(inputs_of(graph.nodes[name]))}
        wanted = running | loading
    return running


def nodes_with_missing_outputs(
    graph: PipelineGraph, nodes: AbstractSet[str], existing: AbstractSet[str]
) -> set[str]:
    """Return the nodes that `kedro run --only-missing-outputs` would run.

    A node runs if it has no outputs, if a persisted one is missing, or if what it makes in
    memory is needed by a node that runs.

    Args:
        graph: The nodes and their edges.
        nodes: Those that would run otherwise.
        existing: Persisted datasets that are there, without transcoding.
    """
    missing = [
        name
        for name in nodes
        if not outputs_of(graph.nodes[name])
        or any(
            not graph.is_memory(dataset) and dataset not in existing
            for dataset in outputs_of(graph.nodes[name])
        )
    ]
    return needed_nodes(graph, nodes=missing)


def namespaces_of(namespace: str | None) -> list[str]:
    """Return a namespace with all that hold it: `a.b` lies in `a.b` and in `a`."""
    parts = namespace.split(".") if namespace else []
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


class _Part:
    """The nodes of some pipelines, and which of them each value of a filter stands for."""

    def __init__(self, graph: PipelineGraph, pipelines: Iterable[str]) -> None:
        nodes = {pipeline.name: pipeline.nodes for pipeline in graph.manifest.pipelines}
        for name in pipelines:
            if name not in nodes:
                raise UnknownNameError.of("pipeline", name, nodes)
        self._graph = graph
        self.within = frozenset(node for name in pipelines for node in nodes[name])
        self._nodes = [graph.nodes[name] for name in sorted(self.within)]

    @cached_property
    def named(self) -> NodesByValue:
        return {name: {name} for name in self.within}

    @cached_property
    def tagged(self) -> NodesByValue:
        return _nodes_by(self._nodes, lambda node: node.tags)

    @cached_property
    def in_namespace(self) -> NodesByValue:
        return _nodes_by(self._nodes, lambda node: namespaces_of(node.namespace))

    @cached_property
    def reading(self) -> NodesByValue:
        return self._nothing() | _nodes_by(self._nodes, _read_names)

    @cached_property
    def writing(self) -> NodesByValue:
        return self._nothing() | _nodes_by(self._nodes, _written_names)

    @cached_property
    def edges(self) -> tuple[NodesByValue, NodesByValue]:
        """Successors and predecessors of each node."""
        return _edges(self._graph, self.within)

    def _nothing(self) -> NodesByValue:
        """What is only written or only read is known all the same, and stands for no node."""
        return {
            name: set()
            for node in self._nodes
            for name in (*_read_names(node), *_written_names(node))
        }


@lru_cache(maxsize=32)
def _part(graph: PipelineGraph, pipelines: tuple[str, ...]) -> _Part:
    """The same few pipelines are asked for by every job of a file."""
    return _Part(graph, pipelines)


def _read_names(node: Node) -> set[str]:
    return _both_names((*node.inputs, *node.parameters))


def _written_names(node: Node) -> set[str]:
    return _both_names(node.outputs)


def _both_names(datasets: Iterable[str]) -> set[str]:
    """A transcoded dataset may be named with its format or without."""
    return {form for name in datasets for form in (name, strip_transcoding(name))}


def _nodes_by(
    nodes: Iterable[Node], values_of: Callable[[Node], Iterable[str]]
) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for node in nodes:
        for value in values_of(node):
            found.setdefault(value, set()).add(node.name)
    return found


def _matching(kind: str, values: Iterable[str], nodes_by_value: Mapping[str, set[str]]) -> set[str]:
    matching: set[str] = set()
    for value in values:
        # Kedro takes a tag that no node has for an empty filter; here it is an error.
        if value not in nodes_by_value:
            raise UnknownNameError.of(kind, value, nodes_by_value)
        matching |= nodes_by_value[value]
    return matching


def _edges(
    graph: PipelineGraph, within: AbstractSet[str]
) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Return successors and predecessors of each node, inside some pipelines only."""
    writers = {name: node for node in within for name in outputs_of(graph.nodes[node])}
    before = {
        node: {writers[name] for name in inputs_of(graph.nodes[node]) if name in writers}
        for node in within
    }
    after: dict[str, set[str]] = {node: set() for node in within}
    for node, others in before.items():
        for other in others:
            after[other].add(node)
    return after, before


def _reachable(start: set[str], edges: Mapping[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += edges[name]
    return reached
