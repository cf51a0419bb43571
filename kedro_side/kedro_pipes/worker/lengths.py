"""How long data is that is in memory, if that can be told without computing anything. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

_LAZY_PACKAGES = frozenset({"dask", "dask_expr", "ibis", "pyspark"})
"""Their length, or shape, would be computed for the asking."""


def length_of(data: Any) -> int | None:
    """Return rows, items or characters; None where nobody knows them yet."""
    try:
        if type(data).__module__.partition(".")[0] in _LAZY_PACKAGES:
            return None
        shape = getattr(data, "shape", None)
        if isinstance(shape, tuple):
            return _rows(shape)
        # Pictures and models may have a `len` of something else than their content.
        return len(data) if isinstance(data, Collection) else None
    except Exception:  # noqa: BLE001 - a foreign object may raise anything
        return None


def _rows(shape: tuple[Any, ...]) -> int | None:
    if not shape:
        return 1  # an array of one number
    return int(shape[0]) if isinstance(shape[0], int) else None
