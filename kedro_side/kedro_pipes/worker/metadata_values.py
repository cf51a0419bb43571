"""Metadata values as Pipes spells them: `{"type": …, "raw_value": …}`.

Knows no dataset and no channel.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import Any, get_args

from dagster_pipes import PIPES_METADATA_TYPE_INFER, PipesMetadataType

from kedro_pipes.worker.plain_data import plain

PipesMetadata = dict[str, Any]
"""Pipes metadata values by name."""

_TYPES = frozenset(get_args(PipesMetadataType))
_PASSED_ON_BYTES = 100_000
"""A larger value may have been cut: it is compared with what was made of it."""


def value(kind: str, raw: Any) -> dict[str, Any]:
    """Return one Pipes metadata value; a float that JSON has no word for becomes text."""
    if isinstance(raw, float) and not math.isfinite(raw):
        return {"type": "text", "raw_value": str(raw)}
    return {"type": kind, "raw_value": raw}


def values_of(metadata: Mapping[str, Any]) -> tuple[PipesMetadata, list[str]]:
    """Return what a person gave as metadata, and the names of what had to be changed for it."""
    values = {str(plain(str(name))): _value_of(raw) for name, raw in metadata.items()}
    changed = [str(plain(name)) for name, raw in metadata.items() if not _arrives_as_it_is(raw)]
    return values, changed


def said_of_changed(names: Sequence[str]) -> str:
    """Return the warning for what had to be changed."""
    named = ", ".join(f"'{name}'" for name in names)
    return f"Metadata {named} was converted or cut: it is no JSON, or too large."


def _value_of(raw: Any) -> dict[str, Any]:
    if isinstance(raw, dict) and raw.keys() == {"type", "raw_value"} and raw["type"] in _TYPES:
        return {"type": raw["type"], "raw_value": plain(raw["raw_value"])}
    if isinstance(raw, PurePath):
        return value("path", str(plain(str(raw))))
    if isinstance(raw, datetime):
        return value("timestamp", raw.timestamp())
    converted = plain(raw)
    kind = "json" if isinstance(converted, dict | list) else PIPES_METADATA_TYPE_INFER
    return {"type": kind, "raw_value": converted}


def _arrives_as_it_is(raw: Any) -> bool:
    if isinstance(raw, PurePath | datetime):
        return True
    try:
        size = len(json.dumps(raw, allow_nan=False))
        return size < _PASSED_ON_BYTES or bool(plain(raw) == raw)
    except Exception:  # noqa: BLE001 - a foreign object may raise anything
        return False
