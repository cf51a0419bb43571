"""Where exactly an entry of a file is wrong, and what was probably meant. Pure.

msgspec says that something below `$.jobs[...]` is wrong; a person wants to know in which job.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin

import msgspec

from kedro_manifest.orchestration.annotations import alternatives, is_struct

_ITEM = "[...]"
_KEY_IN = "`key` in "
"""Before the path of a mapping that has a key which may not stand there."""


class Diagnosis(msgspec.Struct, frozen=True):
    """What is wrong with an entry."""

    place: str
    """Dotted keys, such as `jobs.nightly.retries`; empty for the file as a whole."""
    message: str
    hint: str
    """What may stand there, nearest first, as a sentence; empty where nothing can be said."""


def diagnose(error: msgspec.ValidationError, raw: Any, expected: type) -> Diagnosis:
    """Find the place of an error in what was read, and the nearest names that may stand there."""
    message, _, path = str(error).partition(" - at ")
    of_key = path.startswith(_KEY_IN)
    path = path.removeprefix(_KEY_IN)
    steps = re.findall(r"\[\.\.\.\]|\[\d+\]|[^.\[\]]+", path.strip("`").removeprefix("$"))
    place, types = _follow(raw, expected, steps)
    wrong = re.search(
        r"(?:unknown field|enum value|unknown value|Invalid value) [`']([^`']*)[`']", message
    )
    known = sorted(_keys_of(types) if of_key else _known(types, keys="unknown field" in message))
    return Diagnosis(place, message, _hint(wrong.group(1) if wrong else "", known))


def _hint(wrong: str, known: list[str]) -> str:
    if not known:
        return ""
    near = get_close_matches(wrong, known, n=3, cutoff=0.6)
    listed = ", ".join(map(repr, near or known))
    return f"Did you mean {listed}?" if near else f"Choose from {listed}."


def _follow(raw: Any, expected: Any, steps: list[str]) -> tuple[str, list[Any]]:
    """Walk down a path; where msgspec gives no key, look for the item that is wrong."""
    place: list[str] = []
    types = alternatives(expected)
    for step in steps:
        inner = [each for outer in types for each in _inside(outer, step)]
        key: Any = step
        if step == _ITEM and isinstance(raw, dict):
            key = next((key for key, value in raw.items() if _is_wrong(value, inner)), step)
        elif step.startswith("[") and isinstance(raw, list):
            key = int(step[1:-1])
        place.append(str(key))
        known = (isinstance(raw, dict) and key in raw) or isinstance(raw, list)
        raw = raw[key] if known else None
        types = inner
    return ".".join(place), types


def _is_wrong(value: Any, types: list[Any]) -> bool:
    for each in types:
        try:
            msgspec.convert(value, each)
        except msgspec.ValidationError:
            continue
        return False
    return True


def _inside(outer: Any, step: str) -> Iterator[Any]:
    """Yield the types that a field or an item of a type may have."""
    if is_struct(outer):
        for field in msgspec.structs.fields(outer):
            if field.encode_name == step:
                yield from alternatives(field.type)
    elif step.startswith("[") and get_origin(outer) in (dict, list, tuple):
        yield from alternatives(get_args(outer)[-1])


def _keys_of(types: list[Any]) -> Iterator[str]:
    for each in types:
        if get_origin(each) is dict:
            yield from map(str, get_args(get_args(each)[0]))


def _known(types: list[Any], *, keys: bool) -> Iterator[str]:
    for each in types:
        if keys and is_struct(each):
            yield from (field.encode_name for field in msgspec.structs.fields(each))
        elif get_origin(each) is Literal and not keys:
            yield from map(str, get_args(each))
        elif is_struct(each) and not keys:
            tag = each.__struct_config__.tag
            yield from [str(tag)] if tag else []
