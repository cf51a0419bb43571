"""The nodes of a manifest with the edges that their datasets make: pure, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from kedro_manifest.errors import CyclicPipelineError, DuplicateNameError, UnknownNameError
from kedro_manifest.model import Dataset, Manifest, Node
from kedro_manifest.names import strip_transcoding


class PipelineGraph:
    """The nodes of a manifest with the edges that their datasets make.

    Datasets are named without transcoding throughout: `x@pandas` and `x@spark` are one.

    Raises:
        DuplicateNameError: Two nodes write one dataset.
        CyclicPipelineError: The nodes depend on each other in a circle.
    """

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
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
        return {name: index for index, name in enumerate(sort_topologically(self.predecessors))}

    @cached_property
    def loaders(self) -> dict[str, set[str]]:
        """The nodes that load what a node confirms, by the node that does.

        They belong to each of its registered pipelines, those without any loader aside; where no
        loader does, all of them count.
        """
        readers: dict[str, set[str]] = {}
        for node in self.nodes.values():
            for dataset in inputs_of(node):
                readers.setdefault(dataset, set()).add(node.name)
        return {
            node.name: set().union(
                *(
                    self._loaders_with(node.name, readers.get(strip_transcoding(dataset), set()))
                    for dataset in node.confirms
                )
            )
            for node in self.nodes.values()
            if node.confirms
        }

    def _loaders_with(self, confirmer: str, readers: set[str]) -> set[str]:
        of_pipelines = [
            readers.intersection(pipeline.nodes)
            for pipeline in self.manifest.pipelines
            if confirmer in pipeline.nodes
        ]
        some = [loading for loading in of_pipelines if loading]
        return (set.intersection(*some) if some else set()) or readers

    def is_memory(self, dataset: str) -> bool:
        """Tell whether a dataset lives in the memory of one process only."""
        entry = self.datasets.get(dataset)
        return entry is None or entry.kind == "memory"

    def is_of_process(self, dataset: str) -> bool:
        """Tell whether only the process that has saved a dataset can load it, though it is kept."""
        entry = self.datasets.get(dataset)
        return entry is not None and entry.of_process

    def unpicklable(self, dataset: str) -> str | None:
        """Say why an in-memory dataset can hardly be pickled; None if nothing is known of it."""
        entry = self.datasets.get(dataset)
        return entry.unpicklable if entry is not None else None

    def free_inputs(self) -> list[str]:
        """Datasets that nodes read and none writes, sorted."""
        read = {name for node in self.nodes.values() for name in inputs_of(node)}
        return sorted(read - self.producers.keys())

    def node(self, name: str) -> Node:
        """Return a node, or say which names are near."""
        if name not in self.nodes:
            raise UnknownNameError.of("node", name, self.nodes)
        return self.nodes[name]

    def producer(self, dataset: str) -> Node:
        """Return the node that writes a dataset, or say which names are near."""
        if dataset not in self.producers:
            raise UnknownNameError.of("produced dataset", dataset, self.producers)
        return self.nodes[self.producers[dataset]]


def inputs_of(node: Node) -> list[str]:
    """Datasets a node reads, transcoding stripped, each once."""
    return list(dict.fromkeys(strip_transcoding(name) for name in node.inputs))


def outputs_of(node: Node) -> list[str]:
    """Datasets a node writes, transcoding stripped, each once."""
    return list(dict.fromkeys(strip_transcoding(name) for name in node.outputs))


def sort_topologically(predecessors: Mapping[str, set[str]]) -> list[str]:
    """Return names after all of their predecessors; ties are broken by name.

    Raises:
        CyclicPipelineError: There is no such order; the message names the circle.
    """
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
