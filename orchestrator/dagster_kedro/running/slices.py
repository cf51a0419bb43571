"""The slice of data that a run makes: its keys, its window of time, and what Kedro is told of it.

All steps of a run share its slice, those of unpartitioned assets as well: every worker gets the
same runtime parameters, as in one `kedro run`. Reads the step's context, writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import dagster as dg
import msgspec
from dagster_pipes import PipesPartitionKeyRange, PipesTimeWindow
from kedro_manifest.partition_ids import keys_by_dimension

from dagster_kedro.assets.index import AssetIndex
from dagster_kedro.assets.partitions import Partitioned
from dagster_kedro.errors import PartitionError
from dagster_kedro.results.saved_partitions import PartitionedOutput

BETWEEN = "..."
"""Between the first and the last key of a range, as Dagster writes it."""


class RunSlice(msgspec.Struct, frozen=True, kw_only=True):
    """The slice of a run; of a run without partitions it is empty."""

    partitioned: Partitioned | None = None
    keys: list[str] = []
    parameters: dict[str, Any] = {}
    """Runtime parameters that tell Kedro of it, nested."""

    def keys_of(self, index: AssetIndex, asset_key: dg.AssetKey) -> Sequence[str | None]:
        """Return the partitions that the run makes of an asset; None is the whole asset."""
        return self.keys if self.keys and self.covers(index, asset_key) else [None]

    def covers(self, index: AssetIndex, asset_key: dg.AssetKey) -> bool:
        """Tell whether an asset is partitioned as the run is."""
        found = index.partitioned_by(asset_key)
        return found is not None and found == self.partitioned


def assets_of_run(context: dg.AssetExecutionContext, index: AssetIndex) -> set[dg.AssetKey]:
    """Return the project's assets that this run is to make, whichever step makes them."""
    run = context.run
    keys = set(run.asset_selection or ())
    # A whole job that is executed in process selects nothing, and so does a run of checks alone.
    if not keys and not run.asset_check_selection:
        keys.update(context.job_def.asset_layer.executable_asset_keys)
    return {key for key in keys if key in index.by_key and not index.by_key[key].is_external}


def slice_of_run(context: dg.AssetExecutionContext, index: AssetIndex) -> RunSlice:
    """Return the slice that a run makes of the project's assets.

    Raises:
        PartitionError: Its assets have several partitions definitions.
    """
    if not _is_partitioned(context):
        return RunSlice()
    found = {
        entry.name: entry
        for key in assets_of_run(context, index) | _checked(context)
        if (entry := index.partitioned_by(key)) is not None
    }
    if not found:  # partitioned by what other definitions bring along
        return RunSlice()
    if len(found) > 1:
        raise PartitionError(
            f"Cannot run partition '{context.partition_keys[0]}': the run's assets are partitioned "
            f"by {', '.join(map(repr, sorted(found)))}. Select those of one of them."
        )
    (entry,) = found.values()
    keys = [str(key) for key in context.partition_keys]
    return RunSlice(partitioned=entry, keys=keys, parameters=_parameters(entry, keys))


def with_slice(parameters: Mapping[str, Any], run_slice: RunSlice) -> dict[str, Any]:
    """Return a run's parameters with those of its slice.

    Raises:
        PartitionError: One of them is given besides, and differs.
    """
    return _with(parameters, run_slice.parameters, ())


def partitioned_outputs(
    index: AssetIndex, datasets: Iterable[str], run_slice: RunSlice, instance: dg.DagsterInstance
) -> dict[str, PartitionedOutput]:
    """Return those of some datasets whose partitions stand for keys."""
    outputs = {}
    for name in datasets:
        key = index.key_of_dataset[name]
        ids, entry = index.partition_ids.get(name), index.partitioned_by(key)
        if ids is not None and entry is not None:
            keys = run_slice.keys if run_slice.covers(index, key) else []
            outputs[name] = PartitionedOutput(
                asset_key=key,
                wanted={ids.id_of(each): each for each in keys},
                key_of=_known_keys(entry, ids.key_of, instance),
            )
    return outputs


def pipes_partitions(context: dg.AssetExecutionContext) -> dict[str, Any]:
    """Return what the Pipes context says of a run's partitions, of a range as well."""
    said: dict[str, Any] = {
        "partition_key": None,
        "partition_key_range": None,
        "partition_time_window": None,
    }
    if not _is_partitioned(context):
        return said
    keys = context.partition_key_range
    said["partition_key_range"] = PipesPartitionKeyRange(start=str(keys.start), end=str(keys.end))
    if context.has_partition_key:
        said["partition_key"] = str(context.partition_key)
    try:
        window = context.partition_time_window
    except dg.DagsterInvariantViolationError:  # no dimension of it is time
        return said
    start, end = window.start.isoformat(), window.end.isoformat()
    return {**said, "partition_time_window": PipesTimeWindow(start=start, end=end)}


def _checked(context: dg.AssetExecutionContext) -> set[dg.AssetKey]:
    """Return the assets that are not made, but whose checks are: their nodes run all the same."""
    return {check.asset_key for check in context.run.asset_check_selection or ()}


def _is_partitioned(context: dg.AssetExecutionContext) -> bool:
    return bool(context.has_partition_key or context.has_partition_key_range)


def _parameters(entry: Partitioned, keys: list[str]) -> dict[str, Any]:
    named = entry.settings.parameter
    start, end = _bounds(entry.definition, keys)
    flat: dict[str, Any] = {
        named("key"): span(keys),
        named("keys"): keys,
        named("start"): start,
        named("end"): end,
    }
    if entry.dimensions:
        by_dimension = [keys_by_dimension(key, entry.dimensions) for key in keys]
        for dimension in entry.dimensions:
            parts = [each[dimension] for each in by_dimension]
            flat[f"{named('key')}_{dimension}"] = span(list(dict.fromkeys(parts)))
    return _nested(flat)


def span(keys: Sequence[str]) -> str:
    """Return a key, or the first and the last of several."""
    return keys[0] if len(keys) == 1 else f"{keys[0]}{BETWEEN}{keys[-1]}"


def _bounds(definition: dg.PartitionsDefinition[Any], keys: list[str]) -> tuple[str, str]:
    """Return the first and the last moment of some keys; where none is of time, the keys."""
    if isinstance(definition, dg.TimeWindowPartitionsDefinition | dg.MultiPartitionsDefinition):
        windows = [_window(definition, key) for key in (keys[0], keys[-1])]
        if windows[0] is not None and windows[1] is not None:
            return windows[0].start.isoformat(), windows[1].end.isoformat()
    return keys[0], keys[-1]


def _window(
    definition: dg.TimeWindowPartitionsDefinition | dg.MultiPartitionsDefinition, key: str
) -> dg.TimeWindow | None:
    """Return the window of a key, which of several dimensions has one if one of them is time."""
    if isinstance(definition, dg.TimeWindowPartitionsDefinition):
        return definition.time_window_for_partition_key(key)
    by_dimension = keys_by_dimension(key, definition.partition_dimension_names)
    windows = [
        each.partitions_def.time_window_for_partition_key(by_dimension[each.name])
        for each in definition.partitions_defs
        if isinstance(each.partitions_def, dg.TimeWindowPartitionsDefinition)
    ]
    return windows[0] if len(windows) == 1 else None


def _known_keys(
    entry: Partitioned, key_of: Callable[[str], str | None], instance: dg.DagsterInstance
) -> Callable[[str], str | None]:
    """Narrow what a pattern takes for a key to keys that there are."""

    @cache
    def known() -> frozenset[str]:
        keys = entry.definition.get_partition_keys(dynamic_partitions_store=instance)
        return frozenset(map(str, keys))

    def key_of_known(partition: str) -> str | None:
        key = key_of(partition)
        return key if key in known() else None

    return key_of_known


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *above, last = name.split(".")
        inner = nested
        for key in above:
            inner = inner.setdefault(key, {})
        inner[last] = value
    return nested


def _with(
    given: Mapping[str, Any], ours: Mapping[str, Any], above: tuple[str, ...]
) -> dict[str, Any]:
    merged = dict(given)
    for key, value in ours.items():
        path = (*above, key)
        theirs = given.get(key)
        if isinstance(value, Mapping) and isinstance(theirs, Mapping):
            merged[key] = _with(theirs, value, path)
        elif key in given and theirs != value:
            name = ".".join(path)
            raise PartitionError(
                f"Cannot run with parameter '{name}': it is given as {theirs!r}, and the run's "
                f"partition makes it {value!r}. Leave it out, or launch that partition."
            )
        else:
            merged[key] = value
    return merged
