"""What `dagster.yml` says of groups and in-memory data, typed. Pure.

The file as a whole is carried in the manifest as it was resolved; other keys are read by those
who act on them.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from kedro_manifest.errors import OrchestrationError
from kedro_manifest.grouping import (
    ExplicitGroup,
    GroupPolicy,
    MemoryPolicy,
    OnCycle,
    Strategy,
)
from kedro_manifest.model import Manifest

ANY_DATASET = "*"


class Grouping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`grouping:` which nodes share a process where nothing else is said."""

    strategy: Strategy = "node"
    tag_prefix: str = "group."
    on_cycle: OnCycle = "widen"


class Store(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`store:` where in-memory data crosses from one process to another."""

    url: str = ".kedro-pipes/staging"
    """An fsspec URL; a plain path is relative to the project."""
    backend: str = "pickle"
    """Module with `dump` and `load`, such as `cloudpickle`."""


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of `dagster.yml` that say where nodes and their data are."""

    grouping: Grouping = Grouping()
    groups: dict[str, ExplicitGroup] = {}
    memory_datasets: MemoryPolicy | dict[str, MemoryPolicy] = "group"
    """For all, or by dataset name; `*` stands for anything, the most specific name counts."""
    store: Store = Store()
    on_drift: Literal["refuse", "warn"] = "refuse"
    """What a worker does whose project no longer matches the manifest."""

    def group_policy(self) -> GroupPolicy:
        """Return how nodes are to be grouped."""
        by_dataset = self.memory_datasets if isinstance(self.memory_datasets, dict) else {}
        everywhere = "group" if isinstance(self.memory_datasets, dict) else self.memory_datasets
        return GroupPolicy(
            strategy=self.grouping.strategy,
            tag_prefix=self.grouping.tag_prefix,
            on_cycle=self.grouping.on_cycle,
            groups=self.groups,
            memory_datasets=everywhere,
            memory_by_dataset=by_dataset,
        )


def placement_of(manifest: Manifest) -> Placement:
    """Read the placement keys of a manifest's `dagster.yml`.

    Raises:
        OrchestrationError: A wrong type or an unknown key; the message names its path.
    """
    raw: dict[str, Any] = {
        field: manifest.orchestration[field]
        for field in Placement.__struct_fields__
        if field in manifest.orchestration
    }
    try:
        return msgspec.convert(raw, Placement)
    except msgspec.ValidationError as error:
        raise OrchestrationError(
            f"Cannot read dagster.yml: {error}. Mend the entry, and export again."
        ) from error
