"""The texts under the fields of the types: what editors and the reference page say of a key.

Python does not keep them, so they are read from the source, once. Pure but for that.
"""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache

import msgspec

from kedro_manifest.orchestration.annotations import alternatives, is_struct
from kedro_manifest.orchestration.shapes import is_mapping, item_types, keys_of


@cache
def describe_struct(struct: type[msgspec.Struct]) -> str:
    """Return a struct's own docstring, if it has one."""
    text = vars(struct).get("__doc__")
    return inspect.cleandoc(text) if text else ""


@cache
def describe_fields(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Return the text under each field, by the key that the file has for it.

    A field without one, which holds a single other struct, has what is said of that.
    """
    texts: dict[str, str] = {}
    for each in reversed(struct.__mro__):
        if issubclass(each, msgspec.Struct) and each is not msgspec.Struct:
            texts |= _texts_of_module(each.__module__).get(each.__name__, {})
    keys = dict(zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True))
    own = {keys[name]: text for name, text in texts.items() if name in keys}
    return {**_texts_of_inner(struct), **own}


def place_and_text(struct: type[msgspec.Struct]) -> tuple[str, str]:
    """Split a struct's text into where it stands in the file, if it says so, and the rest."""
    text = describe_struct(struct)
    place, end, rest = text.removeprefix("`").partition(":` ")
    return (place, rest) if end and text.startswith("`") else ("", text)


def _texts_of_inner(struct: type[msgspec.Struct]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, field in keys_of(struct).items():
        types = alternatives(field.type)
        types += [inner for each in types if is_mapping(each) for inner in item_types(each)]
        inner = [each for each in types if is_struct(each)]
        if len(inner) == 1:
            text = " ".join(place_and_text(inner[0])[1].partition("\n\n")[0].split())
            found[key] = text[:1].upper() + text[1:]
    return found


@cache
def _texts_of_module(name: str) -> dict[str, dict[str, str]]:
    source = inspect.getsource(sys.modules[name])
    return {
        each.name: _texts_of_class(each)
        for each in ast.parse(source).body
        if isinstance(each, ast.ClassDef)
    }


def _texts_of_class(body: ast.ClassDef) -> dict[str, str]:
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in zip(body.body, body.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
