"""Kedro names as names that Dagster accepts, and back: injective, and plain names stay plain.

Dagster joins the parts of an asset key with `__` into a Python identifier, maps `.` and `-` to
`_`, and refuses every other character and a few reserved words. So a part may hold letters,
digits and single inner underscores; everything else is written `U_<code point in hex>_U`.
"""

from __future__ import annotations

import keyword
import re

RESERVED = frozenset(
    {
        *("conf", "config", "context", "meta", "input", "output", "type"),
        *("arg_dict", "dict", "input_arg_dict", "output_arg_dict"),
        *("bool", "float", "int", "str"),
        *keyword.kwlist,
    }
)
"""Words that Dagster refuses as the name of an op, a job or an output."""

_ESCAPE = re.compile(r"U_([0-9a-f]+|g)_U")
_EMPTY = "U_g_U"
_LOOKS_ESCAPED = r"U(?=_(?:[0-9a-f]+|g)_)"
_NOT_IN_KEYS = re.compile(rf"{_LOOKS_ESCAPED}|^_|_$|(?<=_)_|[^A-Za-z0-9_]")
_NOT_IN_NAMES = re.compile(rf"{_LOOKS_ESCAPED}|[^A-Za-z0-9_]")
_TAG_LENGTH = 63


def strip_transcoding(dataset: str) -> str:
    """Return `shuttles` for `shuttles@pandas`: one dataset, whatever reads it."""
    return dataset.partition("@")[0]


def asset_key_parts(name: str) -> list[str]:
    """Return the asset key of a Kedro dataset or node: one part for each namespace.

    Distinct names give keys that stay distinct in everything that Dagster derives from them.
    """
    parts = [_escape(part, _NOT_IN_KEYS) for part in name.split(".")]
    return [_unreserved(parts[0])] if len(parts) == 1 else parts


def name_from_asset_key(parts: list[str]) -> str:
    """Undo `asset_key_parts`."""
    return ".".join(_unescape(part) for part in parts)


def dagster_name(name: str) -> str:
    """Return a legal name for a job, an op or a schedule."""
    return _unreserved(_escape(name, _NOT_IN_NAMES))


def name_from_dagster(name: str) -> str:
    """Undo `dagster_name`."""
    return _unescape(name)


def group_name(name: str) -> str:
    """Return a legal asset group name; a namespace's dots become the levels of the group."""
    return "/".join(dagster_name(part) for part in name.split("."))


def tag_key(tag: str) -> str | None:
    """Return the tag if Dagster takes it as it is; exact tags are kept in metadata besides."""
    legal = re.fullmatch(r"[\w.-]+", tag, re.ASCII) and len(tag) <= _TAG_LENGTH
    return tag if legal else None


def _escape(text: str, illegal: re.Pattern[str]) -> str:
    return illegal.sub(lambda match: _code(match[0]), text) if text else _EMPTY


def _code(character: str) -> str:
    return f"U_{ord(character):x}_U"


def _unreserved(name: str) -> str:
    return _code(name[0]) + name[1:] if name in RESERVED else name


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: "" if match[1] == "g" else chr(int(match[1], 16)), text)
