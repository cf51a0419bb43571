"""Pipes metadata values as Dagster's: a value of any shape becomes something, never an error."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg

MAX_CHARACTERS = 1_000_000
"""Of one value: Dagster keeps metadata in its database and sends it to the browser. A worker of
ours cuts texts sooner; column schemas of wide tables pass."""


def metadata_from_pipes(values: Mapping[str, Any]) -> dict[str, dg.MetadataValue[Any]]:
    """Return Dagster metadata; what does not fit its declared type is shown as text."""
    return {str(name): _value(entry) for name, entry in values.items()}


def _value(entry: Any) -> dg.MetadataValue[Any]:
    if not (isinstance(entry, dict) and "raw_value" in entry):
        return _as_text(entry)
    raw = entry["raw_value"]
    if _size(raw) > MAX_CHARACTERS:
        return _as_text(raw)
    make = _MAKERS.get(str(entry.get("type")), _inferred)
    try:
        return make(raw)
    except Exception:  # noqa: BLE001 - metadata must never fail a run
        return _as_text(raw)


def _as_text(raw: Any) -> dg.MetadataValue[Any]:
    text = raw if isinstance(raw, str) else json.dumps(raw, default=str)
    if len(text) > MAX_CHARACTERS:
        text = f"{text[:MAX_CHARACTERS]}… ({len(text) - MAX_CHARACTERS} more characters)"
    # What a database cannot store as text: lone surrogates, and zero bytes (PostgreSQL).
    safe = text.encode("utf-8", "replace").decode().replace("\0", "\\0")
    return dg.MetadataValue.text(safe)


def _size(raw: Any) -> int:
    """Characters that a value takes in Dagster's storage."""
    if isinstance(raw, str):
        return len(raw)
    return len(json.dumps(raw, default=str)) if isinstance(raw, dict | list) else 0


def _inferred(raw: Any) -> dg.MetadataValue[Any]:
    if isinstance(raw, bool):
        return dg.MetadataValue.bool(raw)
    if isinstance(raw, int):
        return dg.MetadataValue.int(raw)
    if isinstance(raw, float):
        return _number(raw)
    if raw is None:
        return dg.MetadataValue.null()
    if isinstance(raw, dict | list):
        return dg.MetadataValue.json(_finite(raw))
    return dg.MetadataValue.text(str(raw))


def _number(raw: float) -> dg.MetadataValue[Any]:
    """Dagster's storage is JSON, which has no word for infinity or for what is no number."""
    return dg.MetadataValue.float(raw) if math.isfinite(raw) else dg.MetadataValue.text(str(raw))


def _finite(raw: Any) -> Any:
    """The same within JSON, which the web interface has to parse."""
    if isinstance(raw, dict):
        return {name: _finite(value) for name, value in raw.items()}
    if isinstance(raw, list):
        return [_finite(value) for value in raw]
    return str(raw) if isinstance(raw, float) and not math.isfinite(raw) else raw


def _table(raw: dict[str, Any]) -> dg.MetadataValue[Any]:
    records = [dg.TableRecord(record) for record in raw["records"]]
    schema = _schema(raw["schema"]) if raw.get("schema") else None
    return dg.MetadataValue.table(records=records, schema=schema)


def _schema(raw: dict[str, Any]) -> dg.TableSchema:
    columns = [
        dg.TableColumn(
            name=column["name"],
            type=column.get("type", "string"),
            description=column.get("description"),
            tags=column.get("tags") or {},
        )
        for column in raw["columns"]
    ]
    return dg.TableSchema(columns=columns)


def _lineage(raw: dict[str, Any]) -> dg.MetadataValue[Any]:
    deps = {
        column: [
            dg.TableColumnDep(
                asset_key=dg.AssetKey.from_escaped_user_string(source["asset_key"]),
                column_name=source["column_name"],
            )
            for source in sources
        ]
        for column, sources in raw["deps_by_column"].items()
    }
    return dg.MetadataValue.column_lineage(dg.TableColumnLineage(deps))


_MAKERS: dict[str, Callable[[Any], dg.MetadataValue[Any]]] = {
    "text": dg.MetadataValue.text,
    "url": dg.MetadataValue.url,
    "path": dg.MetadataValue.path,
    "notebook": dg.MetadataValue.notebook,
    "json": lambda raw: dg.MetadataValue.json(_finite(raw)),
    "md": dg.MetadataValue.md,
    "float": lambda raw: _number(float(raw)),
    "int": lambda raw: dg.MetadataValue.int(int(raw)),
    "bool": lambda raw: dg.MetadataValue.bool(bool(raw)),
    "timestamp": lambda raw: dg.MetadataValue.timestamp(float(raw)),
    "dagster_run": dg.MetadataValue.dagster_run,
    "asset": lambda raw: dg.MetadataValue.asset(dg.AssetKey.from_user_string(raw)),
    "table": _table,
    "table_schema": lambda raw: dg.MetadataValue.table_schema(_schema(raw)),
    "table_column_lineage": _lineage,
    "null": lambda _: dg.MetadataValue.null(),
}
