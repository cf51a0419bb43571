"""Anything as plain JSON data: never raises, never grows without bound.

What a user's node or dataset holds may be a NumPy scalar, NaN, bytes, a recursive list, or an
object whose `repr` raises. None of that may fail the node or break the channel.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

MAX_TEXT = 100_000
"""Characters of one text; the rest is cut, and the text says so."""
MAX_DEPTH = 20

PlainData = None | bool | int | float | str | list[Any] | dict[str, Any]


def plain(value: Any, depth: int = 0) -> PlainData:
    """Return a value as JSON has it."""
    if value is None or isinstance(value, bool | int | float | str):
        return _scalar(value)
    if depth >= MAX_DEPTH:
        return _text(f"<nested deeper than {MAX_DEPTH}>")
    if isinstance(value, Mapping):
        return {_text(str(key)): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, depth + 1) for item in value]
    return _other(value, depth)


def _scalar(value: bool | float | str | None) -> PlainData:  # noqa: FBT001 - one kind of data
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) < 2**63 else str(value)
    return float(value) if math.isfinite(value) else str(float(value))


def _other(value: Any, depth: int) -> PlainData:
    try:
        if hasattr(value, "item") and getattr(value, "size", 1) == 1:  # a NumPy scalar
            return plain(value.item(), depth + 1)
        if hasattr(value, "isoformat"):
            return str(value.isoformat())
        return _text(repr(value))
    except Exception:  # noqa: BLE001 - a foreign object may raise anything
        return f"<{type(value).__qualname__} that cannot be shown>"


def _text(text: str) -> str:
    # Lone surrogates, as file names may hold, are not Unicode text.
    safe = text.encode("utf-8", "replace").decode()
    if len(safe) <= MAX_TEXT:
        return safe
    return f"{safe[:MAX_TEXT]}… ({len(safe) - MAX_TEXT} more characters)"
