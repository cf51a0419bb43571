"""Anything as plain JSON data: never raises, never grows without bound.

What a user's node or dataset holds may be a NumPy scalar, NaN, bytes, a recursive list, or an
object whose `repr` raises. None of that may fail the node or break the channel.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Any

MAX_TEXT = 100_000
"""Characters of one text; the rest is cut, and the text says so."""
MAX_DEPTH = 20
MAX_ITEMS = 10_000
"""Entries of all lists and mappings together; the rest is counted, not shown."""

PlainData = None | bool | int | float | str | list[Any] | dict[str, Any]


def plain(value: Any) -> PlainData:
    """Return a value as JSON has it."""
    return _Conversion().convert(value, 0)


class _Conversion:
    """One conversion: a list that holds itself twice would double with each level."""

    def __init__(self) -> None:
        self._left = MAX_ITEMS

    def convert(self, value: Any, depth: int) -> PlainData:
        if value is None or isinstance(value, bool | int | float | str):
            return _scalar(value)
        if depth >= MAX_DEPTH:
            return f"<nested deeper than {MAX_DEPTH}>"
        try:
            if isinstance(value, Mapping):
                return self._mapping(value, depth)
            if isinstance(value, list | tuple | set | frozenset):
                return self._sequence(value, depth)
            return self._other(value, depth)
        except Exception:  # noqa: BLE001 - a foreign object may raise anything
            return f"<{type(value).__qualname__} that cannot be shown>"

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        taken = islice(value.items(), self._take(len(value)))
        shown = {_text(str(key)): self.convert(item, depth + 1) for key, item in taken}
        if len(value) > len(shown):
            shown["…"] = f"{len(value) - len(shown)} more"
        return shown

    def _sequence(self, value: Collection[Any], depth: int) -> list[Any]:
        taken = islice(value, self._take(len(value)))
        shown = [self.convert(item, depth + 1) for item in taken]
        if len(value) > len(shown):
            shown.append(f"… ({len(value) - len(shown)} more)")
        return shown

    def _take(self, wanted: int) -> int:
        taken = min(wanted, self._left)
        self._left -= taken
        return taken

    def _other(self, value: Any, depth: int) -> PlainData:
        if hasattr(value, "item") and getattr(value, "size", 1) == 1:  # a NumPy scalar
            return self.convert(value.item(), depth + 1)
        if hasattr(value, "isoformat"):
            return str(value.isoformat())
        return _text(repr(value))


def _scalar(value: bool | float | str | None) -> PlainData:  # noqa: FBT001 - one kind of data
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) < 2**63 else str(value)
    return float(value) if math.isfinite(value) else str(float(value))


def _text(text: str) -> str:
    # Lone surrogates, as file names may hold, are not Unicode text.
    safe = text.encode("utf-8", "replace").decode()
    if len(safe) <= MAX_TEXT:
        return safe
    return f"{safe[:MAX_TEXT]}… ({len(safe) - MAX_TEXT} more characters)"
