"""What a worker has to report before its group counts as done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import msgspec
from kedro_manifest.invocation import Invocation

from dagster_kedro.results.saved_partitions import PartitionedOutput


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker has to report before its group counts as done."""

    name: str
    """What was run, for people: `group 'train'`."""
    assets: dict[dg.AssetKey, str]
    """What each selected asset is, for people: `dataset 'model'`."""
    checks: dict[dg.AssetCheckKey, bool] = {}
    """Each selected check, and whether it blocks what is downstream."""
    known_checks: Mapping[dg.AssetCheckKey, bool] = {}
    """Checks that may be reported besides, and whether each blocks."""
    partitions_checked: Mapping[dg.AssetCheckKey, Sequence[str | None]] = {}
    """Partitions that a result of each check is of; None, as where nothing is said, is the whole."""
    tries_checks_again: bool = False
    """Whether another attempt will be made if a blocking check fails."""
    besides: dict[str, dg.AssetKey] = {}
    """Datasets that are saved though nobody waits for them, because their node has to run."""
    besides_of: Mapping[dg.AssetKey, Sequence[str | None]] = {}
    """Partitions of those that the run makes; None, as where nothing is said, is the whole."""
    partitioned: Mapping[str, PartitionedOutput] = {}
    """Datasets whose partitions stand for keys."""
    attempt: int = 1
    """Number of the attempt, from 1."""
    checked_before: dict[dg.AssetCheckKey, bool] = {}
    """Checks that an earlier attempt has reported, and whether each blocks."""


def expected_of(
    invocation: Invocation,
    checks: Mapping[dg.AssetCheckKey, bool] | None = None,
    **particulars: Any,
) -> Expected:
    """Return what the worker of an invocation has to report.

    Args:
        invocation: What the worker is asked to run.
        checks: Selected checks, and whether each blocks.
        particulars: Other fields of what is returned.
    """
    assets = {
        **{key: f"dataset '{name}'" for name, key in invocation.dataset_assets.items()},
        **{key: f"node '{name}'" for name, key in invocation.node_assets.items()},
    }
    by_key = {dg.AssetKey.from_escaped_user_string(key): what for key, what in assets.items()}
    return Expected(
        name=f"group '{invocation.group}'",
        assets=by_key,
        checks=dict(checks or {}),
        **particulars,
    )
