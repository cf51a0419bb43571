"""Metadata of a dataset that has just been saved, from what is in memory already.

Never loads anything, and never raises: what cannot be described is left out. Knows datasets
and Pipes metadata values, not the channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kedro.io import AbstractDataset

from kedro_pipes.worker.metadata_values import PipesMetadata, value

_MAX_COLUMNS = 500


def describe_saved(dataset: Any, data: Any) -> PipesMetadata:
    """Return rows, columns and version of a saved dataset.

    Args:
        dataset: The catalog's dataset object, or None where the catalog has none.
        data: What was saved.
    """
    described: PipesMetadata = {}
    rows = row_count(data)
    if rows is not None:
        described["dagster/row_count"] = value("int", rows)
    columns = column_types(data)
    if columns:
        schema = {"columns": [_column(*column) for column in columns.items()]}
        described["dagster/column_schema"] = value("table_schema", schema)
    version = saved_version(dataset)
    if version is not None:
        described["kedro/version"] = value("text", version)
    return described


def row_count(data: Any) -> int | None:
    """Return the rows of a table that is in memory; None for anything else."""
    if not _is_table(data):
        return None
    try:
        rows = data.shape[0]
    except Exception:  # noqa: BLE001 - a lazy or foreign table may raise anything here
        return None
    return rows if isinstance(rows, int) else None


def column_types(data: Any) -> dict[str, str]:
    """Return the type of each column of a table, by the table library's own names."""
    if not _is_table(data):
        return {}
    try:
        names = [str(name) for name in getattr(data, "column_names", data.columns)]
        types = getattr(data, "dtypes", None)
        kinds = list(data.schema.types) if types is None else list(types)
        return dict(zip(names[:_MAX_COLUMNS], map(str, kinds), strict=False))
    except Exception:  # noqa: BLE001 - as above
        return {}


def saved_version(dataset: Any) -> str | None:
    """Return the version under which a versioned dataset was saved; None if it has none."""
    if getattr(dataset, "_version", None) is None:
        # A cached dataset leaves its version to the dataset that it wraps.
        wrapped = getattr(dataset, "_dataset", None)
        return saved_version(wrapped) if isinstance(wrapped, AbstractDataset) else None
    try:
        version = dataset.resolve_save_version()
    except Exception:  # noqa: BLE001 - custom datasets carry a `_version` of their own
        return None
    return None if version is None else str(version)


def is_partitioned(dataset: Any) -> bool:
    """Tell whether a dataset is a PartitionedDataset, be it of an older library or cached."""
    wrapped = getattr(dataset, "_dataset", None)
    if isinstance(wrapped, AbstractDataset):
        return is_partitioned(wrapped)
    return any(kind.__name__ == "PartitionedDataset" for kind in type(dataset).__mro__)


def saved_partitions(dataset: Any, data: Any) -> list[str]:
    """Return the partitions that saving some data to a dataset has written; [] for none.

    What is saved lazily counts as well: it is called while the dataset saves.
    """
    partitioned = isinstance(data, Mapping) and is_partitioned(dataset)
    return sorted(map(str, data)) if partitioned else []


def _is_table(data: Any) -> bool:
    """Tell whether data has rows and named columns: pandas, polars, pyarrow, not NumPy."""
    return hasattr(data, "shape") and hasattr(data, "columns")


def _column(name: str, kind: str) -> dict[str, Any]:
    constraints = {"nullable": True, "unique": False, "other": []}
    return {
        "name": name,
        "type": kind,
        "description": None,
        "constraints": constraints,
        "tags": {},
    }
