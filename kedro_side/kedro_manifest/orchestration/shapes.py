"""What an annotation allows, in the words of a user of YAML. Pure.

There are lists and mappings, texts and numbers, and no structs.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from kedro_manifest.orchestration.annotations import alternatives, is_struct

_SCALARS: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    NoneType: "nothing",
    Any: "anything",
}
_LIMITS = (("ge", "at least {}"), ("gt", "more than {}"), ("pattern", "like {}"))


def bare(annotation: Any) -> Any:
    """Return a type without the limits that it has."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def is_mapping(annotation: Any) -> bool:
    """Tell whether a type is a mapping with names of the user's."""
    return get_origin(annotation) is dict


def is_list(annotation: Any) -> bool:
    """Tell whether a type is a list."""
    return get_origin(annotation) in (list, tuple)


def item_types(annotation: Any) -> list[Any]:
    """Return what the items of a list may be, or the values of a mapping."""
    inner = [each for each in get_args(annotation) if each is not Ellipsis]
    return alternatives(inner[-1])


def choices(types: list[Any]) -> list[str]:
    """Return the words of which one may be chosen."""
    return [str(word) for each in types if get_origin(each) is Literal for word in get_args(each)]


@cache
def keys_of(struct: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """Return the keys of a struct as the file spells them, `type` of a tagged one left out."""
    return {field.encode_name: field for field in msgspec.structs.fields(struct)}


def tag_of(struct: type[msgspec.Struct]) -> tuple[str, str] | None:
    """Return the key that tells a struct from its siblings, and the value that it has here."""
    config = struct.__struct_config__
    return (config.tag_field, str(config.tag)) if config.tag_field and config.tag else None


def describe_types(types: list[Any]) -> str:
    """Return what may stand somewhere: `text or a mapping`, `'group', 'stage' or a mapping`."""
    words = [word for each in types if each is not NoneType for word in _describe(each)]
    *first, last = dict.fromkeys(words or [_SCALARS[NoneType]])
    return f"{', '.join(first)} or {last}" if first else last


def describe_value(value: Any) -> str:
    """Return what stands somewhere, without quoting text, which may be anything."""
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return f"the number {value}"
    kinds: dict[Any, str] = {str: "text", list: "a list", dict: "a mapping"}
    return kinds.get(type(value), "something else")


def _describe(annotation: Any) -> Iterable[str]:
    if get_origin(annotation) is Annotated:
        kind, *limits = get_args(annotation)
        wanted = [
            words.format(value)
            for limit in limits
            for name, words in _LIMITS
            if (value := getattr(limit, name, None)) is not None
        ]
        return [", ".join([*_describe(kind), *wanted])]
    if get_origin(annotation) is Literal:
        return [repr(word) for word in get_args(annotation)]
    if is_list(annotation):
        return ["a list"]
    if is_mapping(annotation) or is_struct(annotation):
        return ["a mapping"]
    return [_SCALARS.get(annotation, str(annotation))]
