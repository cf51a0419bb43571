"""Which nodes make slices of data, and by which entry of `partitions`. Pure, knows no Dagster.

A node runs for a slice as a whole, so all that it writes is partitioned by one entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration.factories import expand_jobs
from kedro_manifest.orchestration.job_checks import nodes_of_job
from kedro_manifest.orchestration.partitions import MultiPartitions
from kedro_manifest.orchestration.root import Orchestration
from kedro_manifest.planning.graph import PipelineGraph, outputs_of
from kedro_manifest.planning.selection import needed_nodes


def partitioned_nodes(graph: PipelineGraph, orchestration: Orchestration) -> dict[str, str]:
    """Return the entry of `partitions` by node, of those that have one.

    Raises:
        OrchestrationError: An entry names what is not there, two entries name one node, or
            in-memory data would have to cross from one entry to another.
    """
    entries: dict[str, str] = {}
    places: dict[str, str] = {}
    for entry, place, nodes in _named_nodes(graph, orchestration):
        for node in sorted(nodes):
            if entries.setdefault(node, entry) != entry:
                raise OrchestrationError.at(
                    place,
                    f"it partitions what node '{node}' makes by '{entry}', and "
                    f"{places[node]} by '{entries[node]}'",
                    "Name it under one of them only.",
                )
            places.setdefault(node, place)
    _refuse_unused(orchestration, set(entries.values()))
    _refuse_mixed_memory(graph, entries)
    return entries


def _named_nodes(
    graph: PipelineGraph, orchestration: Orchestration
) -> Iterable[tuple[str, str, set[str]]]:
    """Yield an entry, the place where it is named, and the nodes that it is named for."""
    pipelines = {pipeline.name: set(pipeline.nodes) for pipeline in graph.manifest.pipelines}
    for name, entry in orchestration.partitions.items():
        for pipeline in entry.pipelines:
            place = f"partitions.{name}.pipelines"
            if pipeline not in pipelines:
                raise OrchestrationError.unknown(place, "pipeline", pipeline, pipelines)
            yield name, place, pipelines[pipeline]
    for named in expand_jobs(graph, orchestration.jobs):
        wanted, place = named.job.partitions, f"{named.place}.partitions"
        if wanted is None:
            continue
        if wanted not in orchestration.partitions:
            known = orchestration.partitions
            raise OrchestrationError.unknown(place, "partition", wanted, known)
        yield wanted, place, nodes_of_job(graph, named)
    for name, entry in orchestration.partitions.items():
        whole = {node for pipeline in entry.pipelines for node in pipelines[pipeline]}
        for pattern in entry.datasets:
            place = f"partitions.{name}.datasets"
            nodes = _writers(graph, pattern, place)
            _refuse_other_outputs(graph, nodes - whole, pattern, place, entry.datasets)
            yield name, place, nodes


def _writers(graph: PipelineGraph, pattern: str, place: str) -> set[str]:
    matching = {name for name in graph.producers if fnmatchcase(name, pattern)}
    inputs = [name for name in graph.free_inputs() if fnmatchcase(name, pattern)]
    if not matching and inputs:
        raise OrchestrationError.at(
            place,
            f"no node writes '{inputs[0]}', and only what nodes write has partitions",
            f"Take '{pattern}' out; a node that reads it is told its slice by parameters.",
        )
    if not matching:
        kind = "dataset that a node writes"
        raise OrchestrationError.unknown(place, kind, pattern, graph.producers)
    return {graph.producers[name] for name in matching}


def _refuse_other_outputs(
    graph: PipelineGraph, nodes: set[str], pattern: str, place: str, patterns: Iterable[str]
) -> None:
    for node in sorted(nodes):
        for other in outputs_of(graph.nodes[node]):
            named = any(fnmatchcase(other, each) for each in patterns)
            if not named and not graph.is_memory(other):
                raise OrchestrationError.at(
                    place,
                    f"node '{node}' makes a slice of what '{pattern}' names, and all of '{other}'",
                    f"Name '{other}' as well, or let another node write it.",
                )


def _refuse_unused(orchestration: Orchestration, used: set[str]) -> None:
    multi = [
        each for each in orchestration.partitions.values() if isinstance(each, MultiPartitions)
    ]
    dimensions = {name for each in multi for name in each.dimensions.values()}
    for name in orchestration.partitions:
        if name not in used | dimensions:
            raise OrchestrationError.at(
                f"partitions.{name}",
                "nothing is partitioned by it",
                "Name some `pipelines` or `datasets`, or name it in `jobs.<name>.partitions`.",
            )


def _refuse_mixed_memory(graph: PipelineGraph, entries: Mapping[str, str]) -> None:
    """A run has slices of one entry only, and makes what it needs in memory by itself."""
    has_several = len(set(entries.values())) > 1
    for node, entry in entries.items() if has_several else []:
        for other in sorted(needed_nodes(graph, nodes=[node])):
            if entries.get(other, entry) != entry:
                raise OrchestrationError.at(
                    f"partitions.{entry}",
                    f"node '{node}' needs in-memory data of node '{other}', which is partitioned "
                    f"by '{entries[other]}'",
                    "Partition both by one entry, or add the dataset between them to the catalog.",
                )
