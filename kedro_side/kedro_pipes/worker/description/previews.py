"""A look at data as Markdown: a table's first rows, the beginning of a text or of JSON.

From what is in memory; a dataset's own `preview()` is asked if it is no stock one, since stock
ones load. What looks like a secret by its name is not shown.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from kedro_pipes.project.redaction import REDACTED, is_secret_key, public_json, redact_text
from kedro_pipes.worker.description.pictures import MOST_BYTES, is_plotly_figure, plotly_figure
from kedro_pipes.worker.description.tables import head
from kedro_pipes.worker.plain_data import plain

MOST_ROWS = 5
MOST_COLUMNS = 20
MOST_ITEMS = 20
MOST_CELL = 60
MOST_TEXT = 4000
_MARKDOWN = (".md", ".markdown")
_MARKS = str.maketrans({"|": "\\|", "\n": " ", "\r": " ", "`": "\\`", "<": "&lt;", "*": "\\*"})


def preview_of_data(data: Any, suffix: str, *, is_document: bool) -> str | None:
    """Return a look at data; None for what has no look.

    Args:
        data: What was saved.
        suffix: Of the file's name.
        is_document: Whether it was saved as JSON or the like.
    """
    top = head(data, MOST_ROWS, MOST_COLUMNS)
    if top is not None:
        return table(*top, more_columns=len(data.columns) - len(top[0]))
    if is_plotly_figure(data):
        return plotly_figure(data)
    if isinstance(data, str):
        return _of_text(data, suffix)
    return _of_document(data) if is_document and isinstance(data, Mapping | list) else None


def own_preview(dataset: Any) -> str | None:
    """Return what a dataset's own `preview()` gives; None for a stock one, or where it has none."""
    method = getattr(type(dataset), "preview", None)
    if method is None or method.__module__.partition(".")[0] in {"kedro", "kedro_datasets"}:
        return None
    viz = (getattr(dataset, "metadata", None) or {}).get("kedro-viz") or {}
    shown = dataset.preview(**(viz.get("preview_args") or {}))
    kind = method.__annotations__.get("return")
    name = kind if isinstance(kind, str) else getattr(kind, "__name__", "")
    if name == "ImagePreview":
        fits = len(shown) <= MOST_BYTES
        return f"![preview](data:image/png;base64,{shown})" if fits else None
    if isinstance(shown, Mapping) and {"columns", "data"} <= shown.keys():
        columns = [str(column) for column in shown["columns"]][:MOST_COLUMNS]
        rows = [list(row) for row in shown["data"][:MOST_ROWS]]
        return table(columns, rows, more_columns=len(shown["columns"]) - len(columns))
    if name == "JSONPreview" and isinstance(shown, str):
        return _of_document(json.loads(shown))
    return _cut(redact_text(shown)) if isinstance(shown, str) else _of_document(shown)


def table(columns: list[str], rows: Sequence[Sequence[Any]], *, more_columns: int = 0) -> str:
    """Return a Markdown table, secrets left out by the names of their columns."""
    # A number under a token's name is a count.
    first = rows[0] if rows else [None] * len(columns)
    hidden = [is_secret_key(name, value) for name, value in zip(columns, first, strict=False)]
    lines = [
        [_cell(name) for name in columns],
        ["---"] * len(columns),
        *(
            [
                REDACTED.translate(_MARKS) if hide else _cell(value)
                for hide, value in zip(hidden, row, strict=False)
            ]
            for row in rows
        ),
    ]
    shown = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{shown}\n\n… {more_columns} more columns" if more_columns > 0 else shown


def _cell(value: Any) -> str:
    if isinstance(value, str):
        text = redact_text(value[: 2 * MOST_CELL])
    elif isinstance(value, float) and math.isfinite(value):
        text = f"{value:.6g}"
    else:
        text = str(value) if _is_short(value) else reprlib.repr(value)
    return (text if len(text) <= MOST_CELL else f"{text[:MOST_CELL]}…").translate(_MARKS)


def _is_short(value: Any) -> bool:
    return not isinstance(value, Mapping | Sequence | set | bytes) and not hasattr(value, "shape")


def _of_text(text: str, suffix: str) -> str:
    text, more = text[:MOST_TEXT], len(text) - MOST_TEXT
    text = redact_text(text)
    shown = text if suffix.lower() in _MARKDOWN else _block(text)
    return f"{shown}\n\n… {more} more characters" if more > 0 else shown


def _of_document(data: Any) -> str:
    top = dict(islice(data.items(), MOST_ITEMS)) if isinstance(data, Mapping) else data[:MOST_ITEMS]
    more = len(data) - len(top)
    shown = json.dumps(public_json(plain(top)), indent=2, ensure_ascii=False)
    return _block(_cut(shown), "json") + (f"\n\n… {more} more" if more > 0 else "")


def _cut(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}…"


def _block(text: str, language: str = "") -> str:
    fence = "`" * 3
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"
