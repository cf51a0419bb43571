"""Versions of inputs that other runs have saved, as Dagster has recorded them."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg
from kedro_manifest.planning.graph import inputs_of, outputs_of
from kedro_manifest.planning.plan import Plan

from dagster_kedro.assets.index import AssetIndex
from dagster_kedro.running.slices import RunSlice

VERSION_KEY = "kedro/version"


def earlier_versions(
    context: dg.AssetExecutionContext, index: AssetIndex, plan: Plan, run_slice: RunSlice
) -> dict[str, str]:
    """Return the versions that Dagster last saw of versioned inputs that this run won't make.

    Of a partitioned one, those of the run's own partitions; several versions cannot be loaded at
    once, so that then Kedro is left to find one.
    """
    graph = index.graph
    nodes = [graph.nodes[name] for name in plan.nodes]
    made = {name for node in nodes for name in outputs_of(node)}
    read = {name for node in nodes for name in inputs_of(node)} - made
    versions: dict[str, str] = {}
    for name in sorted(read & graph.producers.keys()):
        dataset = graph.datasets.get(name)
        if dataset is None or not dataset.versioned:
            continue
        key = index.key_of_dataset[name]
        version = _common_version(context, key, run_slice.keys_of(index, key))
        if version is not None:
            versions[name] = version
    return versions


def _common_version(
    context: dg.AssetExecutionContext, key: dg.AssetKey, partitions: Sequence[str | None]
) -> str | None:
    """Return the version that all of some partitions have; a long range is not read to its end."""
    first, *others = partitions
    version = _latest_version(context, key, first)
    same = all(_latest_version(context, key, each) == version for each in others)
    return version if same else None


def _latest_version(
    context: dg.AssetExecutionContext, key: dg.AssetKey, partition: str | None
) -> str | None:
    """Return the version of a partition's, or of a whole asset's, last materialization."""
    if partition is None:
        event = context.instance.get_latest_materialization_event(key)
        last = event.asset_materialization if event else None
        if last is not None and last.partition is not None:
            # A partition that this run is not of: its version lies elsewhere.
            return None
    else:
        wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition])
        records = context.instance.fetch_materializations(wanted, limit=1).records
        last = records[0].asset_materialization if records else None
    version = last.metadata.get(VERSION_KEY) if last is not None else None
    return str(version.value) if version is not None else None
