"""Free inputs whose place is known, and which of them Dagster is to observe. Pure."""

from __future__ import annotations

from kedro_manifest.errors import OrchestrationError
from kedro_manifest.model import Dataset
from kedro_manifest.names import strip_transcoding
from kedro_manifest.orchestration.automation import Observation
from kedro_manifest.patterns import is_pattern, matching_names
from kedro_manifest.planning.graph import PipelineGraph

_BY_DEFAULT = frozenset({"file", "partitioned"})
"""Kinds of datasets whose files are their data. A table's file may hold no more than a query."""


def placed_input(place: str, name: str, graph: PipelineGraph) -> Dataset:
    """Return a free input that can be looked at.

    Args:
        place: Where in `dagster.yml` it is named.
        name: In the catalog, with or without transcoding.
        graph: Of the project.

    Raises:
        OrchestrationError: There is no such free input, or nothing says where it is.
    """
    name = strip_transcoding(name)
    if name in graph.producers:
        raise OrchestrationError.at(
            place,
            f"'{name}' is no free input: node '{graph.producers[name]}' writes it",
            "Name what comes from outside; assets follow assets with "
            "`assets.<pattern>.automation: eager`.",
        )
    free = graph.free_inputs()
    if name not in free:
        raise OrchestrationError.unknown(place, "free input", name, free)
    dataset = graph.datasets.get(name)
    if dataset is None or dataset.uri is None:
        raise OrchestrationError.at(
            place,
            f"the catalog names no file or folder for '{name}'",
            "Give its entry a `filepath` or `path`, or take it out here.",
        )
    return dataset


def choose_observed(observation: Observation, graph: PipelineGraph) -> dict[str, Dataset]:
    """Return the free inputs that are to be observed, by name.

    By default all whose data is in files; those that are named, whatever they are, if they have a
    place at all.

    Raises:
        OrchestrationError: A name that no free input has, or one without a place.
    """
    placed = {
        name: dataset
        for name in graph.free_inputs()
        if (dataset := graph.datasets.get(name)) is not None and dataset.uri is not None
    }
    if observation.datasets is None:
        return {name: each for name, each in placed.items() if each.kind in _BY_DEFAULT}
    chosen: set[str] = set()
    for wanted in observation.datasets:
        if is_pattern(wanted):
            chosen.update(matching_names(placed, wanted))
        else:
            placed_input("observation.datasets", wanted, graph)
            chosen.add(strip_transcoding(wanted))
    return {name: placed[name] for name in sorted(chosen)}
