"""The Pipes context that a node finds through `PipesContext.get()`: it never fails the node.

Metadata of any kind is taken, and what a node says of its own asset is kept until the asset is
saved: a materialization that was reported before would be false if saving failed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

from dagster_pipes import PIPES_METADATA_TYPE_INFER, PipesContext, PipesMetadataType

from kedro_pipes.worker.describe import PipesMetadata
from kedro_pipes.worker.plain_data import plain

_TYPES = frozenset(get_args(PipesMetadataType))
_PASSED_ON_BYTES = 100_000
"""A larger value may have been cut: it is compared with what was made of it."""


class WorkerPipesContext(PipesContext):
    """A Pipes context for the worker and for the nodes that it runs."""

    _kept: dict[str, tuple[PipesMetadata, str | None]]

    def __init__(self, *arguments: Any) -> None:
        self._kept = {}
        super().__init__(*arguments)

    def report_asset_materialization(
        self,
        metadata: Mapping[str, Any] | None = None,
        data_version: str | None = None,
        asset_key: str | None = None,
    ) -> None:
        """Keep what a node says of one of its assets until the asset is saved."""
        known = set(self.asset_keys)
        key = next(iter(known)) if asset_key is None and len(known) == 1 else asset_key
        if key not in known:  # the stock method says what is wrong
            super().report_asset_materialization({}, data_version, asset_key)
        else:
            version = None if data_version is None else str(data_version)
            self._kept[str(key)] = (self._clean(metadata or {}), version)

    def report_asset_check(
        self,
        check_name: str,
        passed: bool,  # noqa: FBT001 - the stock signature
        severity: Any = "ERROR",
        metadata: Mapping[str, Any] | None = None,
        asset_key: str | None = None,
    ) -> None:
        """Report a check at once, whatever its metadata is."""
        # NumPy's booleans are no `bool`, which the stock method insists on.
        super().report_asset_check(
            check_name, bool(passed), severity, self._clean(metadata or {}), asset_key
        )

    def report_saved(self, asset_key: str, metadata: PipesMetadata) -> None:
        """Report an asset that has been saved, with what its node said of it."""
        theirs, data_version = self._kept.pop(asset_key, ({}, None))
        super().report_asset_materialization({**metadata, **theirs}, data_version, asset_key)

    def _clean(self, metadata: Mapping[str, Any]) -> PipesMetadata:
        values = {str(plain(str(name))): _metadata_value(raw) for name, raw in metadata.items()}
        changed = [str(name) for name, raw in metadata.items() if not _arrives_as_it_is(raw)]
        if changed:
            named = ", ".join(f"'{plain(name)}'" for name in changed)
            self.log.warning(f"Metadata {named} was converted or cut: it is no JSON, or too large.")
        return values


def _metadata_value(raw: Any) -> dict[str, Any]:
    if isinstance(raw, dict) and raw.keys() == {"type", "raw_value"} and raw["type"] in _TYPES:
        return {"type": raw["type"], "raw_value": plain(raw["raw_value"])}
    value = plain(raw)
    return {
        "type": "json" if isinstance(value, dict | list) else PIPES_METADATA_TYPE_INFER,
        "raw_value": value,
    }


def _arrives_as_it_is(raw: Any) -> bool:
    try:
        size = len(json.dumps(raw, allow_nan=False))
        return size < _PASSED_ON_BYTES or bool(plain(raw) == raw)
    except Exception:  # noqa: BLE001 - a foreign object may raise anything
        return False
