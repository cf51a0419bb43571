"""Keys of the file that stand there without a value. Pure.

YAML reads `loggers:` with nothing below it, or with everything below it commented out, as null.
"""

from __future__ import annotations

from types import NoneType
from typing import Any, get_args, get_origin

import msgspec

from kedro_manifest.orchestration.annotations import alternatives, is_struct


def without_empty_entries(raw: Any, expected: Any) -> Any:
    """Return what was read without the keys whose value is null, where null is no value.

    Args:
        raw: What was read.
        expected: The type that it is to have.
    """
    types = alternatives(expected)
    if isinstance(raw, list):
        inner = [get_args(each)[0] for each in types if get_origin(each) is list]
        return [without_empty_entries(item, inner[0]) for item in raw] if inner else raw
    if not isinstance(raw, dict):
        return raw
    fields = {
        field.encode_name: field
        for each in types
        if is_struct(each)
        for field in msgspec.structs.fields(each)
    }
    values = [get_args(each)[1] for each in types if get_origin(each) is dict]
    kept = {}
    for key, value in raw.items():
        field = fields.get(key)
        if field is not None and not (value is None and _may_be_left_out(field)):
            kept[key] = without_empty_entries(value, field.type)
        elif field is None:
            kept[key] = without_empty_entries(value, values[0]) if values else value
    return kept


def _may_be_left_out(field: msgspec.structs.FieldInfo) -> bool:
    return not field.required and NoneType not in alternatives(field.type)
