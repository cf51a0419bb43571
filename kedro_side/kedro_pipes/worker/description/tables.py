"""Rows and columns of tables, from what their library knows without any work.

Libraries are told by the names of classes, never imported: what a project does not use costs
nothing. Lazy tables have columns and no rows: counting them would run them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

MOST_COLUMNS = 500
_EAGER = frozenset({"pandas", "polars", "pyarrow", "geopandas", "modin", "cudf"})
_LAZY = frozenset({"pyspark", "ibis", "dask", "dask_expr"})


def is_table(data: Any) -> bool:
    """Tell whether data is a table, whose rows are in memory or not."""
    return _is_eager(data) or _is_lazy(data)


def row_count(data: Any) -> int | None:
    """Return the rows of a table that is in memory; None for anything else."""
    if not _is_eager(data):
        return None
    rows = data.shape[0]
    return rows if isinstance(rows, int) else None


def column_types(data: Any) -> dict[str, str]:
    """Return the type of each column of a table, by the table library's own names."""
    return dict(islice(_columns(data), MOST_COLUMNS)) if is_table(data) else {}


def head(data: Any, rows: int, columns: int) -> tuple[list[str], list[list[Any]]] | None:
    """Return the first columns' names, and their first rows; None for what is not in memory."""
    if not _is_eager(data):
        return None
    names = [str(name) for name in _names(data)[:columns]]
    root = _root(data)
    if root == "pyarrow":
        part = [column.to_pylist() for column in data.slice(0, rows).columns[:columns]]
    elif root == "polars":
        part = [column.to_list() for column in data.head(rows).get_columns()[:columns]]
    else:
        top = data.head(rows).iloc[:, :columns]
        part = [list(top.iloc[:, position]) for position in range(top.shape[1])]
    return names, [list(row) for row in zip(*part, strict=True)]


def _is_eager(data: Any) -> bool:
    """Tell pandas, polars and pyarrow from NumPy, and from what only looks like them."""
    return _root(data) in _EAGER and _has(data, "shape") and _has(data, "columns")


def _is_lazy(data: Any) -> bool:
    if type(data).__name__ == "LazyFrame":
        return _root(data) == "polars"
    return _root(data) in _LAZY and _has(data, "columns")


def _has(data: Any, attribute: str) -> bool:
    # Of the class: some libraries ask a server for the value.
    return hasattr(type(data), attribute)


def _root(data: Any) -> str:
    """Return the table library among the bases of a class, which may be somebody's own."""
    roots = [kind.__module__.partition(".")[0] for kind in type(data).__mro__]
    return next((root for root in roots if root in _EAGER or root in _LAZY), "")


def _names(data: Any) -> list[Any]:
    return list(getattr(data, "column_names", data.columns))


def _columns(data: Any) -> Iterator[tuple[str, str]]:
    if type(data).__name__ == "LazyFrame":  # Polars works the columns out of the plan
        schema = data.collect_schema()
        yield from ((str(name), str(kind)) for name, kind in schema.items())
    elif _root(data) == "ibis":
        yield from ((str(name), str(kind)) for name, kind in data.schema().items())
    elif _root(data) == "pyspark":  # not `shape`, and not the columns: these may run it
        fields = getattr(getattr(data, "schema", None), "fields", ())
        yield from ((str(field.name), field.dataType.simpleString()) for field in fields)
    elif _root(data) == "pyarrow":
        yield from zip(map(str, data.column_names), map(str, data.schema.types), strict=True)
    else:
        yield from zip(map(str, _names(data)), map(str, list(data.dtypes)), strict=False)
