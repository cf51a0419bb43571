"""Which partitions a worker has really written, and what Dagster is told of them.

A result of Dagster's stands for every partition of the run, so there is one only if all of them
are written; until then each written one is a fact of its own. Knows no run and no worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dagster as dg
import msgspec

UNFINISHED = "kedro/unfinished"
"""Metadata of a partition that is written, while others that the run was to write are not, or
the node failed afterwards: it is made again by a retry."""


class PartitionedOutput(msgspec.Struct, frozen=True, kw_only=True):
    """A PartitionedDataset whose partitions stand for keys."""

    asset_key: dg.AssetKey
    wanted: Mapping[str, str]
    """The keys of the run, by the id of the partition that stands for each."""
    key_of: Callable[[str], str | None]
    """Returns the key that any other partition stands for; None if it stands for none."""


class SavedPartitions:
    """Takes what is reported as written, and gives out each partition once."""

    def __init__(self, outputs: Mapping[str, PartitionedOutput]) -> None:
        self._outputs = outputs
        self._names = {output.asset_key: name for name, output in outputs.items()}
        self._saved: dict[str, dict[str, str]] = {}

    def take(self, dataset: str, partitions: list[str]) -> None:
        """Remember partitions that are written, by their ids; unrelated ones are passed over."""
        if dataset not in self._outputs:
            return
        output = self._outputs[dataset]
        for partition in partitions:
            key = output.wanted.get(partition) or output.key_of(partition)
            if key is not None:
                self._saved.setdefault(dataset, {})[partition] = key

    def missing(self, asset_key: dg.AssetKey) -> dict[str, str]:
        """Return what the run was to write and has not, key by id."""
        if asset_key not in self._names:
            return {}
        name = self._names[asset_key]
        saved = self._saved.get(name, {})
        wanted = self._outputs[name].wanted
        return {partition: key for partition, key in wanted.items() if partition not in saved}

    def others(
        self,
        asset_key: dg.AssetKey,
        metadata: Mapping[str, Any],
        tags: Mapping[str, str] | None = None,
    ) -> Iterator[dg.AssetMaterialization]:
        """Yield what is written besides the run's keys, which a result stands for."""
        if asset_key in self._names:
            name = self._names[asset_key]
            wanted = self._outputs[name].wanted
            saved = self._saved.pop(name, {})
            for partition, key in sorted(saved.items()):
                if partition not in wanted:
                    yield dg.AssetMaterialization(
                        asset_key, metadata=metadata, partition=key, tags=tags
                    )

    def all_of_asset(
        self,
        asset_key: dg.AssetKey,
        metadata: Mapping[str, Any],
        tags: Mapping[str, str] | None = None,
    ) -> Iterator[dg.AssetMaterialization]:
        """Yield everything that is written of an asset and has not been given out yet."""
        for _, key in sorted(self._saved.pop(self._names[asset_key], {}).items()):
            yield dg.AssetMaterialization(asset_key, metadata=metadata, partition=key, tags=tags)

    def unfinished(self) -> Iterator[dg.AssetMaterialization]:
        """Yield what is written of datasets that were never reported as saved whole."""
        for dataset in list(self._saved):
            yield from self.all_of_asset(self._outputs[dataset].asset_key, {UNFINISHED: True})
