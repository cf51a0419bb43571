"""What the annotations of the typed file say, for those that walk them. Pure."""

from __future__ import annotations

from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec


def alternatives(annotation: Any) -> list[Any]:
    """Return the members of a union, or the one type that there is."""
    if get_origin(annotation) in (Union, UnionType):
        return [inner for each in get_args(annotation) for inner in alternatives(each)]
    return [annotation]


def is_struct(annotation: Any) -> bool:
    """Tell whether a type has fields of its own."""
    return isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)
