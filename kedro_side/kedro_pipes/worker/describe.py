"""What Dagster is told of a dataset that has just been saved: metadata and a data version.

Puts together what `description` finds out, each part by itself: one that fails or comes too late
is left out, and the node never notices. Knows datasets and metadata values, not the channel.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import msgspec
from kedro_manifest.invocation import VersionBy

from kedro_pipes.project.catalogs import wrapped_dataset
from kedro_pipes.worker.description import metrics, pictures, previews, tables
from kedro_pipes.worker.description.data_versions import data_version
from kedro_pipes.worker.description.places import Place, SavedFile, place_of, table_of
from kedro_pipes.worker.metadata_values import PipesMetadata, value

logger = logging.getLogger(__name__)

MOST_S = 5.0
"""Seconds after which no further part of a description is begun."""
_DOCUMENTS = re.compile(r"JSON|Yaml|YAML|Metric")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said of saved datasets."""

    metadata: bool = True
    previews: bool = True
    version_by: VersionBy = "auto"


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of one saved dataset."""

    metadata: PipesMetadata = {}
    version: str | None = None
    """Kedro's, of a versioned dataset."""
    data_version: str | None = None
    """Dagster's: the same for the same data."""


def describe_saved(
    dataset: Any, data: Any, wanted: Wanted, partitions: list[str] | None = None
) -> Description:
    """Describe a saved dataset.

    Args:
        dataset: The catalog's dataset object, or None where the catalog has none.
        data: What was saved; None where that is not all of it.
        wanted: What is to be said.
        partitions: Ids of those that were saved, if each of them stands for a key of Dagster's:
            the data version is theirs then, not that of the whole folder.
    """
    find = _Finder()
    metadata: PipesMetadata = {}
    place = find(partial(place_of, dataset))
    files = find(place.files) if place is not None and _looks_at_files(wanted) else None
    if wanted.metadata:
        for part in (
            partial(_of_place, dataset, place, files),
            partial(_of_data, data),
            partial(_numbers, dataset, data),
            partial(_preview, dataset, data, files) if wanted.previews else dict,
        ):
            metadata |= find(part) or {}
    if partitions and place is not None and wanted.version_by != "never":
        files = find(partial(place.partitions, partitions))
    return Description(
        metadata=metadata,
        version=saved_version(dataset),
        data_version=find(partial(data_version, files, wanted.version_by)) if files else None,
    )


def saved_version(dataset: Any) -> str | None:
    """Return the version under which a versioned dataset was saved; None if it has none."""
    if getattr(dataset, "_version", None) is None:
        # A cached dataset leaves its version to the dataset that it wraps.
        wrapped = wrapped_dataset(dataset)
        return None if wrapped is None else saved_version(wrapped)
    try:
        version = dataset.resolve_save_version()
    except Exception:  # noqa: BLE001 - custom datasets carry a `_version` of their own
        return None
    return None if version is None else str(version)


def is_partitioned(dataset: Any) -> bool:
    """Tell whether a dataset is a PartitionedDataset, be it of an older library or cached."""
    return "PartitionedDataset" in _class_names(dataset)


def saved_partitions(dataset: Any, data: Any) -> list[str]:
    """Return the partitions that saving some data to a dataset has written; [] for none.

    What is saved lazily counts as well: it is called while the dataset saves.
    """
    partitioned = isinstance(data, Mapping) and is_partitioned(dataset)
    return sorted(map(str, data)) if partitioned else []


class _Finder:
    """Calls one part after the other, until there was enough time for them."""

    def __init__(self) -> None:
        self._ends_s = time.monotonic() + MOST_S

    def __call__(self, part: Callable[[], Any]) -> Any:
        """Return what a part finds; None if it fails, or if it is too late for it."""
        if time.monotonic() > self._ends_s:
            return None
        try:
            return part()
        except Exception:  # foreign data may raise anything
            logger.debug("A part of a description is left out", exc_info=True)
            return None


def _looks_at_files(wanted: Wanted) -> bool:
    return wanted.metadata or wanted.version_by != "never"


def _of_place(dataset: Any, place: Place | None, files: list[SavedFile] | None) -> PipesMetadata:
    found: PipesMetadata = {}
    if place is not None:
        found["dagster/uri"] = value("text", place.uri)
    elif table := table_of(dataset):
        found["dagster/table_name"] = value("text", table)
    sizes = [file.size for file in files or ()]
    if sizes and None not in sizes:
        found["kedro/size_bytes"] = value("int", sum(size or 0 for size in sizes))
    return found


def _of_data(data: Any) -> PipesMetadata:
    if data is None:
        return {}
    kind = type(data)
    found = {"kedro/data_type": value("text", f"{kind.__module__}.{kind.__qualname__}")}
    parts = list(data.values()) if isinstance(data, dict) else [data]
    if parts and all(map(tables.is_table, parts)):  # a dictionary: partitions, or sheets
        rows = [tables.row_count(part) for part in parts]
        if None not in rows:
            found["dagster/row_count"] = value("int", sum(row or 0 for row in rows))
        if columns := tables.column_types(parts[0]):
            schema = {"columns": [_column(*column) for column in columns.items()]}
            found["dagster/column_schema"] = value("table_schema", schema)
    return found


def _numbers(dataset: Any, data: Any) -> PipesMetadata:
    numbers = metrics.numbers_in(data) if _is_document(dataset) else {}
    return {f"metrics/{name}": value("float", number) for name, number in numbers.items()}


def _preview(dataset: Any, data: Any, files: list[SavedFile] | None) -> PipesMetadata:
    said = (getattr(dataset, "metadata", None) or {}).get("dagster")
    if isinstance(said, Mapping) and said.get("preview") is False:
        return {}
    shown = pictures.saved_images(files or ()) or previews.own_preview(dataset)
    if shown is None and data is not None:
        suffix = PurePosixPath(str(getattr(dataset, "_filepath", ""))).suffix
        shown = previews.preview_of_data(data, suffix, is_document=_is_document(dataset))
    return {"kedro/preview": value("md", shown)} if shown else {}


def _is_document(dataset: Any) -> bool:
    return any(map(_DOCUMENTS.search, _class_names(dataset)))


def _class_names(dataset: Any) -> Iterator[str]:
    wrapped = wrapped_dataset(dataset)
    if wrapped is not None:
        yield from _class_names(wrapped)
    elif dataset is not None:
        yield from (kind.__name__ for kind in type(dataset).__mro__)


def _column(name: str, kind: str) -> dict[str, Any]:
    constraints = {"nullable": True, "unique": False, "other": []}
    return {
        "name": name,
        "type": kind,
        "description": None,
        "constraints": constraints,
        "tags": {},
    }
