"""Lay out rows of text in columns, as wide as they need to be. Pure; knows no terminal."""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import combining, east_asian_width

_GAP = "  "


def layout_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table, header first; nothing is cut or wrapped."""
    lines = [header, *rows]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(header))]
    return [
        _GAP.join(_pad(cell, width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def _pad(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """Columns that a terminal gives a text: Kedro's names may be in any script."""
    wide = sum(east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(combining(character) > 0 for character in text)
