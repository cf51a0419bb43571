"""Where exactly an entry of a file is wrong, and what was probably meant. Pure.

msgspec decides that something is wrong, and tells it in Python's types, often without the name of
the job or asset. A person wants to know which one it is, what is expected there in the words of
YAML, and which key comes nearest.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Literal, Union, get_args

import msgspec

from kedro_manifest.orchestration.annotations import alternatives, is_struct
from kedro_manifest.orchestration.shapes import (
    bare,
    choices,
    describe_types,
    describe_value,
    is_list,
    is_mapping,
    item_types,
    keys_of,
    tag_of,
)


class Diagnosis(msgspec.Struct, frozen=True):
    """What is wrong with an entry."""

    place: str
    """Dotted keys, such as `jobs.nightly.retries`; empty for the file as a whole."""
    message: str
    hint: str
    """What may stand there, nearest first, as a sentence; empty where nothing can be said."""


def diagnose(error: msgspec.ValidationError, raw: Any, expected: type) -> Diagnosis:
    """Find the place of an error in what was read, and the nearest names that may stand there."""
    return _look(raw, alternatives(expected), ()) or Diagnosis("", str(error), "")


def nearest(wrong: str, known: Iterable[str]) -> list[str]:
    """Return the names that were probably meant: spelled alike, or longer or shorter."""
    known = sorted(known)
    alike = get_close_matches(wrong, known, n=3, cutoff=0.6)
    return alike or [
        each for each in known if wrong and (each.startswith(wrong) or wrong.startswith(each))
    ]


def _look(value: Any, types: list[Any], keys: tuple[str, ...]) -> Diagnosis | None:
    """Return what is wrong with a value; None if msgspec finds nothing."""
    if _fits(value, types):
        return None
    structs = [each for each in types if is_struct(each)]
    if isinstance(value, dict) and structs:
        return _look_into_struct(value, structs, keys)
    for each in types:
        if isinstance(value, dict) and is_mapping(each):
            return _look_into_mapping(value, each, keys)
        if isinstance(value, list) and is_list(each):
            found = (
                _look(item, item_types(each), (*keys, str(index)))
                for index, item in enumerate(value)
            )
            return next(filter(None, found), None)
    return _mismatch(value, types, keys)


def _look_into_struct(
    value: dict[str, Any], structs: list[Any], keys: tuple[str, ...]
) -> Diagnosis | None:
    tags = {tag[1]: each for each in structs if (tag := tag_of(each))}
    struct = structs[0]
    known = keys_of(struct)
    field, _ = tag_of(struct) or ("", "")
    if tags:
        if field not in value:
            return _told(keys, f"`{field}` is missing", _hint("", tags))
        if str(value[field]) not in tags:
            return _mismatch(value[field], [Literal[tuple(tags)]], (*keys, field))
        struct = tags[str(value[field])]
        known = keys_of(struct)
    inside = {key: inner for key, inner in value.items() if not tags or key != field}
    for key in inside:
        if key not in known:
            return _told((*keys, str(key)), "there is no such key", _hint(str(key), known))
    for key, field_info in known.items():
        if key not in inside and field_info.required:
            return _told(keys, f"`{key}` is missing", "")
    found = (
        _look(inner, alternatives(known[key].type), (*keys, str(key)))
        for key, inner in inside.items()
    )
    return next(filter(None, found), None) or _refused_as_a_whole(value, struct, keys)


def _refused_as_a_whole(
    value: dict[str, Any], struct: Any, keys: tuple[str, ...]
) -> Diagnosis | None:
    """Return what a struct itself says against values that do not go together."""
    try:
        msgspec.convert(value, struct)
    except msgspec.ValidationError as error:
        return _told(keys, str(error).partition(" - at ")[0].rstrip("."), "")
    return None


def _look_into_mapping(
    value: dict[str, Any], mapping: Any, keys: tuple[str, ...]
) -> Diagnosis | None:
    names = choices(alternatives(get_args(mapping)[0]))
    for key in value:
        if names and key not in names:
            return _told((*keys, str(key)), "there is no such key", _hint(str(key), names))
    found = (_look(inner, item_types(mapping), (*keys, str(key))) for key, inner in value.items())
    return next(filter(None, found), None)


def _mismatch(value: Any, types: list[Any], keys: tuple[str, ...]) -> Diagnosis:
    words = choices(types)
    got = repr(value) if words and isinstance(value, str) else describe_value(value)
    hint = (
        _hint(value, words)
        if words and isinstance(value, str)
        else _cure(value, types, keys[-1] if keys else "")
    )
    return _told(keys, f"expected {describe_types(types)}, got {got}", hint)


def _cure(value: Any, types: list[Any], key: str) -> str:
    """Return how a value of a wrong kind becomes one of the right kind."""
    if value is None:
        return "Write something beneath or behind it, or take it out."
    if _fits(value, [bare(each) for each in types]):
        return ""  # Of the right kind, and beyond its limits.
    if not isinstance(value, (list, dict)) and (cure := _cure_scalar(value, types, key)):
        return cure
    structs = [each for each in types if is_struct(each)]
    if structs and not tag_of(structs[0]):
        return f"Its keys are {', '.join(map(repr, sorted(keys_of(structs[0]))))}."
    if any(map(is_mapping, types)):
        dash = " where `- …` stands now" if isinstance(value, list) else " beneath it"
        return f"Put `name: …`{dash}."
    return ""


def _cure_scalar(value: Any, types: list[Any], key: str) -> str:
    types = [bare(each) for each in types]
    if str in types and not isinstance(value, str):
        reading = ": YAML reads yes, no, on and off as true and false"
        return f"Put it in quotes{reading if isinstance(value, bool) else ''}."
    if isinstance(value, str) and {int, float, bool}.intersection(types):
        quoted = _fits(value, types, strict=False)
        return "Take it out of its quotes." if quoted else "Give seconds." * key.endswith("_s")
    if any(map(is_list, types)):
        return "Put it in brackets, `[…]`, or behind a dash."
    return ""


def _hint(wrong: str, known: Iterable[str]) -> str:
    near = nearest(wrong, known)
    listed = ", ".join(map(repr, near or sorted(known)))
    return f"Did you mean {listed}?" if near else f"Choose from {listed}."


def _told(keys: tuple[str, ...], message: str, hint: str) -> Diagnosis:
    return Diagnosis(".".join(keys), message, hint)


def _fits(value: Any, types: list[Any], *, strict: bool = True) -> bool:
    try:
        # As a union, since a struct on its own does without the key that tells it from others.
        msgspec.convert(value, Union[tuple(types)], strict=strict)  # noqa: UP007 - made here
    except msgspec.ValidationError:
        return False
    return True
