"""The JSON Schema of `dagster.yml`, for editors. Pure.

msgspec makes it from the types; descriptions come from the texts under their fields. It takes what
the file may hold, not what a manifest does: interpolation in place of a number, and empty entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import msgspec

from kedro_manifest.orchestration.annotations import alternatives, is_struct
from kedro_manifest.orchestration.docstrings import describe_fields, describe_struct
from kedro_manifest.orchestration.root import Orchestration
from kedro_manifest.orchestration.shapes import (
    bare,
    choices,
    is_list,
    is_mapping,
    item_types,
    keys_of,
)

PRIVATE_KEYS = "^_"
"""Keys that the config loader takes for variables of the file's own."""
INTERPOLATION = r"\$\{.+\}"
_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def dagster_yml_schema() -> dict[str, Any]:
    """Return the schema of `dagster.yml`."""
    schema: dict[str, Any] = msgspec.json.schema(Orchestration)
    entries = schema["$defs"]
    for struct in structs_of(Orchestration):
        _describe(entries[struct.__name__], struct)
    root = entries[Orchestration.__name__]
    root["patternProperties"] = {PRIVATE_KEYS: {}}
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(schema))  # no tuples
    return {"$schema": _DRAFT, "title": "dagster.yml", **plain}


def structs_of(annotation: Any, known: frozenset[type] = frozenset()) -> Iterator[Any]:
    """Yield every struct that a type holds, each once, from the outside inwards."""
    seen = set(known)
    for each in alternatives(annotation):
        if is_struct(each) and each not in seen:
            seen.add(each)
            yield each
            inner = [field.type for field in keys_of(each).values()]
        elif is_list(each) or is_mapping(each):
            inner = item_types(each)
        else:
            continue
        for type_ in inner:
            for struct in structs_of(type_, frozenset(seen)):
                seen.add(struct)
                yield struct


def _describe(entry: dict[str, Any], struct: type[msgspec.Struct]) -> None:
    if text := describe_struct(struct):
        entry["description"] = text
    texts, fields = describe_fields(struct), keys_of(struct)
    for key, schema in entry["properties"].items():
        field = fields.get(key)
        if field is None:
            continue  # The key that tells the struct from others.
        found = _loosen(schema, alternatives(field.type))
        if not field.required:
            found = _with_choice(found, {"type": "null"})
        entry["properties"][key] = found | ({"description": texts[key]} if key in texts else {})


def _loosen(schema: dict[str, Any], types: list[Any]) -> dict[str, Any]:
    """Take `${…}` where no text is meant; name the keys of mappings, which msgspec leaves out."""
    for choice in schema.get("anyOf", [schema]):
        for each in types:
            if is_mapping(each) and "additionalProperties" in choice:
                inner = _loosen(choice["additionalProperties"], item_types(each))
                choice["additionalProperties"] = inner
                if names := choices(alternatives(get_args(each)[0])):
                    choice["propertyNames"] = {"enum": names}
            elif is_list(each) and "items" in choice:
                choice["items"] = _loosen(choice["items"], item_types(each))
    if Any in types or str in map(bare, types):
        return schema
    return _with_choice(schema, {"type": "string", "pattern": INTERPOLATION})


def _with_choice(schema: dict[str, Any], choice: dict[str, Any]) -> dict[str, Any]:
    default = {"default": schema["default"]} if "default" in schema else {}
    rest = {key: value for key, value in schema.items() if key != "default"}
    known = rest.get("anyOf", [rest])
    return {"anyOf": known if choice in known else [*known, choice], **default}
