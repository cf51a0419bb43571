"""What a finished catalog holds under a name, whatever Kedro's version. Loads nothing."""

from __future__ import annotations

from typing import Any

from kedro.io import CachedDataset


def get_dataset(catalog: Any, name: str) -> Any:
    """Return a catalog's dataset object; None if it has none of that name."""
    getter = getattr(catalog, "get", None) or getattr(catalog, "_get_dataset", None)  # before 1.0
    return getter(name) if getter and name in catalog else None


def wrapped_dataset(dataset: Any) -> Any:
    """Return what a cache wraps; None for any other dataset."""
    return vars(dataset).get("_dataset") if isinstance(dataset, CachedDataset) else None


def is_in_memory(dataset: Any) -> bool:
    """Tell whether a dataset is gone with its process; a cache is not, if what it wraps stays."""
    inner = wrapped_dataset(dataset)
    return is_in_memory(inner) if inner is not None else bool(getattr(dataset, "_EPHEMERAL", False))
