"""In-memory datasets that cross from one worker to another, pickled under a run's own folder.

The project is not touched: the catalog of one worker holds a staged dataset in the place of the
one in memory. Knows files (fsspec) and pickling, not groups.
"""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import Any

import fsspec
from kedro.framework.hooks import hook_impl
from kedro.io import AbstractDataset, DatasetError
from kedro_manifest.invocation import Invocation

from kedro_pipes.project.catalogs import get_dataset, is_in_memory
from kedro_pipes.project.redaction import redact_text, redact_uri

logger = logging.getLogger(__name__)

_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss", "oci"})
"""Protocols under which fsspec has buckets or containers, with no folders in them."""


class StagedDataset(AbstractDataset[Any, Any]):
    """A dataset that was to stay in memory, as a pickle.

    Args:
        name: Its name in the catalog.
        url: Where it is, as fsspec spells it.
        backend: Module with `dumps` and `loads`.
        is_needed: False where what cannot be kept is done without.
    """

    # Kedro warns of, and does not release, what outlives the run; this does.
    _EPHEMERAL = False

    def __init__(
        self, name: str, url: str, backend: str = "pickle", *, is_needed: bool = True
    ) -> None:
        self._name = name
        self.url = url
        self._backend = backend
        self._is_needed = is_needed

    def load(self) -> Any:
        """Return what another worker has saved.

        Raises:
            DatasetError: It is not there, or cannot be read.
        """
        try:
            with fsspec.open(self.url, "rb") as file:
                pickled = file.read()
        except Exception as error:
            raise self._store_error("load staged", error, "reach and read") from error
        return self._pickler().loads(pickled)

    def save(self, data: Any) -> None:
        """Keep data for another worker.

        Raises:
            DatasetError: It cannot be pickled or written; the message says what to do.
        """
        try:
            self._save(data)
        except DatasetError as error:
            if self._is_needed:
                raise
            logger.warning(
                "Hooks do not get '%s' as a result of the run: %s", self._name, error.__cause__
            )

    def _save(self, data: Any) -> None:
        try:
            pickled = self._pickler().dumps(data)
        except Exception as error:
            kind = f"{type(data).__module__}.{type(data).__qualname__}"
            raise DatasetError(
                f"Cannot stage dataset '{self._name}': its value, a {kind}, cannot be pickled by "
                f"{self._backend} ({error}). Keep the nodes that share it in one group with "
                f"`memory_datasets: {{{self._name}: group}}` in dagster.yml, or name another "
                "`store: {backend: cloudpickle}`."
            ) from error
        try:
            file_system, path = fsspec.core.url_to_fs(self.url)
            make_folder(file_system, path.rpartition("/")[0])
            # `fsspec.open` would make the folder, or the bucket, by itself.
            with file_system.open(path, "wb") as file:
                file.write(pickled)
        except Exception as error:
            raise self._store_error("stage", error, "write to") from error

    def _store_error(self, doing: str, error: Exception, need: str) -> DatasetError:
        return DatasetError(
            f"Cannot {doing} dataset '{self._name}' at '{redact_uri(self.url)}': "
            f"{type(error).__name__}: {redact_text(str(error))}. Set `store.url` in dagster.yml to "
            f"a place that every worker can {need}."
        )

    def _pickler(self) -> Any:
        return importlib.import_module(self._backend)

    def _exists(self) -> bool:
        file_system, path = fsspec.core.url_to_fs(self.url)
        return bool(file_system.exists(path))

    def _describe(self) -> dict[str, Any]:
        return {"name": self._name, "url": self.url, "backend": self._backend}


class StagingHook:
    """Puts staged datasets into a worker's catalog."""

    def __init__(self, invocation: Invocation, project_path: Path) -> None:
        self._invocation = invocation
        self._project_path = project_path

    @hook_impl(trylast=True)
    def after_catalog_created(self, catalog: Any) -> None:
        """Replace what is in memory, after every other hook: one may have made it persistent."""
        for name, url in self._invocation.staged.items():
            present = get_dataset(catalog, name)
            if present is not None and not is_in_memory(present):
                continue
            place = absolute_url(url, self._project_path)
            dataset = StagedDataset(
                name,
                place,
                self._invocation.staging_backend,
                is_needed=name not in self._invocation.staged_results,
            )
            if hasattr(catalog, "__setitem__"):
                specs = getattr(catalog, "_validator_specs", {})  # Kedro 1.6 or newer
                kept = {name: specs[name]} if name in specs else {}
                catalog[name] = dataset
                specs.update(kept)  # Another dataset is of another validator, to Kedro.
            else:  # Kedro before 1.0
                catalog.add(name, dataset, replace=True)


def remove_staged(url: str, project_path: Path) -> None:
    """Remove a run's folder of staged datasets; it may be gone already."""
    file_system, path = fsspec.core.url_to_fs(absolute_url(url, project_path))
    if file_system.exists(path):
        file_system.rm(path, recursive=True)


def make_folder(file_system: Any, folder: str) -> None:
    """Make a folder where there are such things.

    An object store has none, and would be asked for a bucket: one that is mistyped would be made,
    and who may write to a bucket need not be allowed to look whether it is there.
    """
    protocols = file_system.protocol
    if _OBJECT_STORES.isdisjoint([protocols] if isinstance(protocols, str) else protocols):
        file_system.makedirs(folder, exist_ok=True)


def absolute_url(url: str, project_path: Path) -> str:
    """Return a URL, or a path relative to the project, as fsspec takes it from anywhere."""
    return url if "://" in url or Path(url).is_absolute() else str(project_path / url)
