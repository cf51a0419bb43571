"""What a sensor of `dagster.yml` may say. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration.automation import AnySensor, FileSensor, RunStatusSensor
from kedro_manifest.orchestration.partitions import AnyPartitions, DynamicPartitions
from kedro_manifest.orchestration.root import Orchestration
from kedro_manifest.parameter_tree import Branch, settable_tree
from kedro_manifest.planning.graph import PipelineGraph
from kedro_manifest.settings.free_inputs import placed_input


def check_sensors(orchestration: Orchestration, graph: PipelineGraph) -> None:
    """Refuse sensors that could never do what they say, or would never stop.

    Raises:
        OrchestrationError: The message names the sensor, the key and what may stand there.
    """
    for name, sensor in orchestration.sensors.items():
        place = f"sensors.{name}"
        if isinstance(sensor, FileSensor):
            _check_file_sensor(place, sensor, orchestration.partitions, graph)
        if sensor.interval_s is not None and sensor.interval_s < 1:
            raise OrchestrationError.at(
                f"{place}.interval_s", "it is no number of seconds", "Give at least 1."
            )
    _check_circles(orchestration.sensors)


def parameter_path(place: str, name: str, graph: PipelineGraph) -> list[str]:
    """Return the keys from the top down to a parameter that can hold a file's URL.

    Raises:
        OrchestrationError: The project has no such parameter, or it is of another type.
    """
    found = {branch.parameter.name: (path, branch.parameter) for path, branch in _leaves(graph)}
    if name not in found:
        raise OrchestrationError.at(
            place,
            f"the project has no parameter '{name}'",
            "Add it to parameters.yml, where null will do for a value, or use it in the catalog as "
            f"`${{runtime_params:{name}}}`.",
        )
    path, parameter = found[name]
    if parameter.type not in {"string", "null", "other"}:
        raise OrchestrationError.at(
            place, f"parameter '{name}' is of type {parameter.type}", "It has to be a text."
        )
    return path


def runs_for_each_file(sensor: FileSensor) -> bool:
    """Tell whether each new file gets a run of its own."""
    by_file = sensor.parameter is not None or sensor.partition is not None
    return sensor.each == "file" or (sensor.each is None and by_file)


def _leaves(graph: PipelineGraph) -> Iterator[tuple[list[str], Branch]]:
    waiting: list[tuple[list[str], Mapping[str, Branch]]] = [([], settable_tree(graph.manifest))]
    while waiting:
        above, branches = waiting.pop()
        for key, branch in branches.items():
            yield [*above, key], branch
            waiting.append(([*above, key], branch.children))


def _check_file_sensor(
    place: str,
    sensor: FileSensor,
    partitions: Mapping[str, AnyPartitions],
    graph: PipelineGraph,
) -> None:
    if (sensor.dataset is None) == (sensor.uri is None):
        raise OrchestrationError.at(
            place, "it needs a place to look at", "Give `dataset` or `uri`."
        )
    if sensor.dataset is not None:
        dataset = placed_input(f"{place}.dataset", sensor.dataset, graph)
        if sensor.partition is not None and dataset.versioned:
            raise OrchestrationError.at(
                f"{place}.partition",
                f"'{sensor.dataset}' is versioned: all of its files have one name",
                "Leave `partition` out, or look at a folder of files with names of their own.",
            )
    if sensor.each == "change" and runs_for_each_file(_without_each(sensor)):
        raise OrchestrationError.at(
            f"{place}.each",
            "`parameter` and `partition` are of one file, and `change` is of many",
            "Leave `each` out, or write `each: file`.",
        )
    if sensor.parameter is not None:
        parameter_path(f"{place}.parameter", sensor.parameter, graph)
    if sensor.partition is not None:
        _check_partition(f"{place}.partition", sensor.partition, partitions)
    if sensor.max_runs_per_tick < 1:
        raise OrchestrationError.at(
            f"{place}.max_runs_per_tick", "no run could ever start", "Give at least 1."
        )


def _without_each(sensor: FileSensor) -> FileSensor:
    return FileSensor(job=sensor.job, parameter=sensor.parameter, partition=sensor.partition)


def _check_partition(place: str, name: str, partitions: Mapping[str, AnyPartitions]) -> None:
    if name not in partitions:
        raise OrchestrationError.unknown(place, "entry under `partitions`", name, partitions)
    if not isinstance(partitions[name], DynamicPartitions):
        raise OrchestrationError.at(
            place,
            f"partitions.{name} is a list that cannot grow",
            "Name an entry of `type: dynamic`.",
        )


def _check_circles(sensors: Mapping[str, AnySensor]) -> None:
    """Refuse jobs that would launch each other for ever."""
    follow_ups = {
        name: sensor for name, sensor in sensors.items() if isinstance(sensor, RunStatusSensor)
    }
    after: dict[str, set[str]] = {}
    for sensor in follow_ups.values():
        after.setdefault(sensor.job, set()).add(sensor.after)
    try:
        TopologicalSorter(after).prepare()
    except CycleError as error:
        circle = error.args[1]
        name = next(
            name
            for name, sensor in follow_ups.items()
            if sensor.job in circle and sensor.after in circle
        )
        raise OrchestrationError.at(
            f"sensors.{name}",
            f"the jobs would launch each other for ever: {' -> '.join(circle)}",
            "Let one of them be launched by something else.",
        ) from error
