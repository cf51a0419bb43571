"""`partitions`: slices of data, of which a run makes one or a range."""

from __future__ import annotations

from typing import Literal

import msgspec

from kedro_manifest.patterns import matching_patterns

PartitionParameter = Literal["key", "keys", "start", "end"]


class _Partitions(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"
):
    pipelines: list[str] = []
    """Registered pipelines whose outputs are partitioned so."""
    datasets: list[str] = []
    """Further datasets that nodes write; `*` stands for anything."""
    parameters: dict[PartitionParameter, str] = {}
    """Names of the runtime parameters that carry a run's key, the list of its keys, and its first
    and last moment or key. Default: `partition_key` and so on; a dot leads into a mapping."""
    partition_ids: dict[str, str | None] = {}
    """Of a PartitionedDataset, by dataset pattern: the partition that stands for a key, such as
    `flights_{key}`, or `{key_<dimension>}` of several dimensions. Default: `{key}`.
    Null: its partitions have nothing to do with these."""
    backfill: Literal["multi_run", "single_run"] = "multi_run"
    """A run for each partition of a backfill, or one run for its whole range."""

    def parameter(self, what: PartitionParameter) -> str:
        """Return the name of the runtime parameter that carries the key, the first moment, …."""
        return self.parameters.get(what, f"partition_{what}")

    def partition_id(self, dataset: str) -> str | None:
        """Return what stands for a key among a PartitionedDataset's partitions; None if nothing."""
        matching = matching_patterns(self.partition_ids, dataset)
        return self.partition_ids[matching[-1]] if matching else "{key}"


class _TimePartitions(_Partitions, frozen=True, kw_only=True):
    start: str
    """First key, written as `key_format` says."""
    end: str | None = None
    """First key that is not there any more. Default: there is a key for each that is over."""
    timezone: str | None = None
    """Of the keys, such as `Europe/Berlin`. Default: UTC."""
    key_format: str | None = None
    """Of `strftime`, as fine as the partitions are. Default: `%Y-%m-%d`, for hours
    `%Y-%m-%d-%H:%M`."""
    end_offset: int = 0
    """Keys more, or fewer, than those that are over: 1 adds the one that is running."""


class HourlyPartitions(_TimePartitions, frozen=True, kw_only=True, tag="hourly"):
    """One for each hour."""


class DailyPartitions(_TimePartitions, frozen=True, kw_only=True, tag="daily"):
    """One for each day."""


class WeeklyPartitions(_TimePartitions, frozen=True, kw_only=True, tag="weekly"):
    """One for each week."""


class MonthlyPartitions(_TimePartitions, frozen=True, kw_only=True, tag="monthly"):
    """One for each month."""


class StaticPartitions(_Partitions, frozen=True, kw_only=True, tag="static"):
    """A fixed list."""

    keys: list[str]
    """The keys, in their order."""


class DynamicPartitions(_Partitions, frozen=True, kw_only=True, tag="dynamic"):
    """A list that grows: by hand in the web interface, or by a sensor on files."""

    name: str | None = None
    """Dagster's name of the list. Default: that of the entry."""


class MultiPartitions(_Partitions, frozen=True, kw_only=True, tag="multi"):
    """Two dimensions at once."""

    dimensions: dict[str, str]
    """Name of each dimension, and the other entry under `partitions` that it is.
    Runtime parameters get the dimension's key as `partition_key_<name>` besides."""


AnyPartitions = (
    HourlyPartitions
    | DailyPartitions
    | WeeklyPartitions
    | MonthlyPartitions
    | StaticPartitions
    | DynamicPartitions
    | MultiPartitions
)
