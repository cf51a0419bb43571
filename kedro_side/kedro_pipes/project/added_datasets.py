"""Datasets that a project's own hooks put into the finished catalog, as if it described them.

Their objects are read by an allow-list: type, location, whether they are versioned, metadata.
Arguments and credentials are never looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kedro_manifest.model import Dataset

from kedro_pipes.project.catalog_entries import CatalogEntries, type_name
from kedro_pipes.project.catalogs import get_dataset, is_in_memory, wrapped_dataset

_STOCK_PACKAGES = ("kedro.io.", "kedro_datasets.")


def added_datasets(
    catalog: Any, in_memory: list[str], entries: CatalogEntries, project_path: Path
) -> Iterator[Dataset]:
    """Yield those of some datasets that are persisted all the same.

    Args:
        catalog: As the hooks have left it.
        in_memory: Names of what counts as in memory by the configuration.
        entries: Knows kinds and protocols.
        project_path: Locations inside are relative to it.
    """
    for name in in_memory:
        dataset = get_dataset(catalog, name)
        if dataset is not None and not is_in_memory(dataset):
            yield entries.describe_as(name, _entry(dataset, project_path))


def _entry(dataset: Any, project_path: Path) -> dict[str, Any]:
    """Return what the catalog would say of a dataset, as far as it may be known."""
    entry: dict[str, Any] = {
        "type": _short_type(type(dataset)),
        "versioned": getattr(dataset, "_version", None) is not None,
    }
    if location := _location(dataset, project_path):
        entry["filepath"] = location
    if isinstance(metadata := getattr(dataset, "metadata", None), Mapping):
        entry["metadata"] = metadata
    if (inner := wrapped_dataset(dataset)) is not None:
        entry["dataset"] = _entry(inner, project_path)
    return entry


def _short_type(dataset_class: type) -> str:
    """Spell a type as catalogs do: `json.JSONDataset`, `CachedDataset`."""
    if not dataset_class.__module__.startswith(_STOCK_PACKAGES):
        return type_name(dataset_class)
    packages = dataset_class.__module__.split(".")[1:-1]
    return ".".join([*(each for each in packages if each != "io"), dataset_class.__name__])


def _location(dataset: Any, project_path: Path) -> str | None:
    path = getattr(dataset, "_filepath", None) or getattr(dataset, "_path", None)
    if path is None:
        return None
    protocol = getattr(dataset, "_protocol", None)
    if isinstance(protocol, str) and protocol not in {"", "file", "local"}:
        return str(path) if "://" in str(path) else f"{protocol}://{path}"
    local = Path(str(path))
    if local.is_absolute() and local.is_relative_to(project_path):
        return local.relative_to(project_path).as_posix()
    return str(path)
