"""`partitions` of dagster.yml as Dagster's partitions definitions, and who is partitioned by them.

Definition time only. Knows nodes and datasets, no asset keys and no runs.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import dagster as dg
import msgspec
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.model import Dataset
from kedro_manifest.orchestration.partitions import (
    AnyPartitions,
    DailyPartitions,
    DynamicPartitions,
    HourlyPartitions,
    MonthlyPartitions,
    MultiPartitions,
    StaticPartitions,
    WeeklyPartitions,
)
from kedro_manifest.orchestration.root import Orchestration
from kedro_manifest.partition_ids import PartitionIds
from kedro_manifest.planning.graph import PipelineGraph, outputs_of
from kedro_manifest.settings.partitions import partitioned_nodes

_DAY = datetime(2013, 2, 3, tzinfo=timezone.utc)
_TIME: dict[type[Any], tuple[type[Any], str, datetime]] = {
    HourlyPartitions: (dg.HourlyPartitionsDefinition, "%Y-%m-%d-%H:%M", _DAY.replace(hour=4)),
    DailyPartitions: (dg.DailyPartitionsDefinition, "%Y-%m-%d", _DAY),
    WeeklyPartitions: (dg.WeeklyPartitionsDefinition, "%Y-%m-%d", _DAY),
    MonthlyPartitions: (dg.MonthlyPartitionsDefinition, "%Y-%m-%d", _DAY.replace(day=1)),
}
"""The definition of each kind, its usual key, and a moment that its key must not lose."""


class Partitioned(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `partitions`."""

    name: str
    definition: dg.PartitionsDefinition[Any]
    settings: AnyPartitions

    @property
    def dimensions(self) -> list[str]:
        """Names of the dimensions, sorted; none where there is one only."""
        if isinstance(self.definition, dg.MultiPartitionsDefinition):
            return sorted(self.definition.partition_dimension_names)
        return []

    @property
    def backfill_policy(self) -> dg.BackfillPolicy:
        """Whether a backfill takes one run or one for each partition."""
        if self.settings.backfill == "single_run":
            return dg.BackfillPolicy.single_run()
        return dg.BackfillPolicy.multi_run()


class Partitioning:
    """What is partitioned in a project, and by what.

    Args:
        graph: The project's nodes.
        orchestration: Its `dagster.yml`.

    Raises:
        OrchestrationError: An entry cannot be used, or names what is not there.
    """

    def __init__(self, graph: PipelineGraph, orchestration: Orchestration) -> None:
        definitions = dict(_definitions(orchestration.partitions))
        self._graph = graph
        self._entries = {
            name: Partitioned(name=name, definition=definitions[name], settings=settings)
            for name, settings in orchestration.partitions.items()
        }
        self._by_node = {
            node: self._entries[name]
            for node, name in partitioned_nodes(graph, orchestration).items()
        }

    def of_node(self, node: str) -> Partitioned | None:
        """Return what a node is partitioned by."""
        return self._by_node.get(node)

    def override(self, node: str, definition: dg.PartitionsDefinition[Any]) -> None:
        """Partition a node as a translator says, whatever `dagster.yml` says of it."""
        known = [each for each in self._entries.values() if each.definition == definition]
        if not known:
            name = f"translated_{len(self._entries)}"
            # A translator names a definition only: the rest is as where nothing is said.
            entry = Partitioned(name=name, definition=definition, settings=DynamicPartitions())
            self._entries[name] = entry
            known = [entry]
        self._by_node[node] = known[0]

    def partition_ids(self) -> dict[str, PartitionIds]:
        """Return how partitions stand for keys, of each PartitionedDataset whose partitions do.

        Raises:
            OrchestrationError: `partition_ids` names what is not there, or tells no key.
        """
        outputs = [
            (name, entry)
            for node, entry in self._by_node.items()
            for name in outputs_of(self._graph.nodes[node])
            if (dataset := self._graph.datasets.get(name)) and dataset.kind == "partitioned"
        ]
        for entry in self._entries.values():
            _refuse_unused_ids(entry, [name for name, each in outputs if each is entry])
        return {
            name: _ids(self._graph.datasets[name], name, pattern, entry)
            for name, entry in outputs
            if (pattern := entry.settings.partition_id(name)) is not None
        }


def partition_mapping(
    upstream: dg.PartitionsDefinition[Any] | None, downstream: dg.PartitionsDefinition[Any] | None
) -> dg.PartitionMapping | None:
    """Return how partitions depend on each other where Dagster's default would be refused.

    None is Dagster's default: the same key, the windows that overlap, or one dimension of two.
    Where there is nothing in common, each depends on all.
    """
    if upstream is None or downstream is None or upstream == downstream:
        return None
    times = [_time_zone(each) for each in (upstream, downstream)]
    if None not in times and times[0] == times[1]:
        return None
    if _is_dimension(upstream, downstream) or _is_dimension(downstream, upstream):
        return None
    return dg.AllPartitionMapping()


def _time_zone(definition: dg.PartitionsDefinition[Any]) -> str | None:
    if isinstance(definition, dg.TimeWindowPartitionsDefinition):
        return definition.timezone
    return None


def _is_dimension(one: dg.PartitionsDefinition[Any], several: dg.PartitionsDefinition[Any]) -> bool:
    return isinstance(several, dg.MultiPartitionsDefinition) and one in [
        each.partitions_def for each in several.partitions_defs
    ]


def _definitions(
    entries: Mapping[str, AnyPartitions],
) -> Iterator[tuple[str, dg.PartitionsDefinition[Any]]]:
    single: dict[str, dg.PartitionsDefinition[Any]] = {}
    for name, entry in entries.items():
        if not isinstance(entry, MultiPartitions):
            single[name] = _accepted(f"partitions.{name}", _single, name, entry)
    yield from single.items()
    for name, entry in entries.items():
        if isinstance(entry, MultiPartitions):
            place = f"partitions.{name}.dimensions"
            for dimension, other in entry.dimensions.items():
                if other not in single:
                    kind = "entry of one dimension"
                    raise OrchestrationError.unknown(f"{place}.{dimension}", kind, other, single)
            dimensions = {dimension: single[other] for dimension, other in entry.dimensions.items()}
            yield name, _accepted(place, dg.MultiPartitionsDefinition, dimensions)


def _accepted(place: str, make: Any, *arguments: Any) -> dg.PartitionsDefinition[Any]:
    """Make a definition; say where the entry is that Dagster refuses."""
    try:
        definition: dg.PartitionsDefinition[Any] = make(*arguments)
    except OrchestrationError:
        raise
    except Exception as error:  # Dagster raises errors of many kinds here
        raise OrchestrationError.at(place, f"Dagster refuses it: {error}") from error
    return definition


def _single(name: str, entry: AnyPartitions) -> dg.PartitionsDefinition[Any]:
    if isinstance(entry, StaticPartitions):
        return dg.StaticPartitionsDefinition(entry.keys)
    if isinstance(entry, DynamicPartitions):
        return dg.DynamicPartitionsDefinition(name=entry.name or name)
    return _time(f"partitions.{name}", entry)


def _time(place: str, entry: Any) -> dg.PartitionsDefinition[Any]:
    make, usual_format, moment = _TIME[type(entry)]
    key_format = entry.key_format or usual_format
    if _read_key(f"{place}.key_format", moment.strftime(key_format), key_format) != moment:
        problem = f"'{key_format}' gives several partitions one key"
        raise OrchestrationError.at(f"{place}.key_format", problem, f"Try '{usual_format}'.")
    if entry.timezone is not None:
        _read_timezone(f"{place}.timezone", entry.timezone)
    start = _read_key(f"{place}.start", entry.start, key_format)
    if entry.end is not None and _read_key(f"{place}.end", entry.end, key_format) <= start:
        problem = f"it is '{entry.end}', and partitions start with '{entry.start}'"
        raise OrchestrationError.at(f"{place}.end", problem, "Let it be later, or leave it out.")
    definition: dg.PartitionsDefinition[Any] = make(
        start_date=entry.start,
        end_date=entry.end,
        timezone=entry.timezone,
        fmt=key_format,
        end_offset=entry.end_offset,
    )
    return definition


def _read_key(place: str, key: str, key_format: str) -> datetime:
    try:
        moment = datetime.strptime(key, key_format)  # noqa: DTZ007 - gets its zone below
    except ValueError as error:
        problem = f"expected a key like '{_DAY.strftime(key_format)}', got '{key}'"
        raise OrchestrationError.at(place, problem, "See `key_format`.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _read_timezone(place: str, name: str) -> None:
    try:
        ZoneInfo(name)
    except Exception as error:
        raise OrchestrationError.unknown(place, "timezone", name, available_timezones()) from error


def _ids(dataset: Dataset, name: str, pattern: str, entry: Partitioned) -> PartitionIds:
    if dataset.overwrite:
        raise OrchestrationError.at(
            f"partitions.{entry.name}",
            f"saving '{name}' removes every partition but those of the run, because the catalog "
            "says `overwrite: true` of it",
            f"Say `overwrite: false` there, or `partition_ids: {{{name}: null}}` here, if its "
            "partitions have nothing to do with these.",
        )
    try:
        return PartitionIds(pattern, entry.dimensions)
    except ValueError as error:
        place = f"partitions.{entry.name}.partition_ids"
        raise OrchestrationError.at(place, f"of '{name}': {error}") from error


def _refuse_unused_ids(entry: Partitioned, datasets: list[str]) -> None:
    for pattern in entry.settings.partition_ids:
        if not fnmatch.filter(datasets, pattern):
            kind = "PartitionedDataset that it partitions"
            place = f"partitions.{entry.name}.partition_ids"
            raise OrchestrationError.unknown(place, kind, pattern, datasets)
