"""Where a dataset's data lies, and which files that are. Reads no data.

Knows the attributes in which Kedro's datasets keep their place, not what the data is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from kedro_pipes.project.catalogs import wrapped_dataset
from kedro_pipes.project.redaction import redact_uri

MOST_FILES = 10_000
"""Of one folder; a larger one has no size, and no data version."""
_LOCAL = ("", "file", "local")
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "Last-Modified", "created")


class SavedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file or object of a dataset."""

    within: str
    """Below the place of the dataset; empty if the file is that place."""
    size: int | None
    modified: str | None
    """As exact as the storage has it."""
    etag: str | None = None
    local: Path | None = None
    """Its path, if it is on this machine."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A file, or a folder with all that is in it."""

    path: str
    protocol: str
    filesystem: Any = None
    """Of fsspec; None for what is on this machine."""
    suffix: str = ""
    """Of the files of a PartitionedDataset."""

    @property
    def uri(self) -> str:
        """Location without user, password or query."""
        if self.is_local:
            return self.path
        scheme = f"{self.protocol}://"
        return redact_uri(self.path if self.path.startswith(scheme) else scheme + self.path)

    @property
    def is_local(self) -> bool:
        """Tell whether it is on this machine."""
        return self.protocol in _LOCAL

    def files(self) -> list[SavedFile] | None:
        """Return what is there, sorted; None for more than can be looked at, or for what is not.

        Of a storage elsewhere, a folder is not listed: that may take as long as saving.
        """
        if not self.is_local:
            return self._objects()
        root = Path(self.path)
        if root.is_file():
            return [_local_file(root, "")]
        found = list(islice(_walk(root), MOST_FILES + 1))
        if not found or len(found) > MOST_FILES:
            return None
        return [_local_file(path, within) for within, path in sorted(found)]

    def partitions(self, ids: list[str]) -> list[SavedFile] | None:
        """Return the files of some partitions, which may be folders; None for too many."""
        if len(ids) > (MOST_FILES if self.is_local else 1):
            return None
        found: list[SavedFile] = []
        for each in ids:
            one = msgspec.structs.replace(self, path=f"{self.path.rstrip('/')}/{each}{self.suffix}")
            files = one.files()
            if files is None:
                return None
            found += [
                msgspec.structs.replace(file, within=f"{each}/{file.within}") for file in files
            ]
        return found if len(found) <= MOST_FILES else None

    def _objects(self) -> list[SavedFile] | None:
        if self.filesystem is None:
            return None
        info = self.filesystem.info(self.path)
        if info.get("type") != "file":
            return None
        modified = next((info[key] for key in _TIMES if info.get(key) is not None), None)
        return [
            SavedFile(
                within="",
                size=info.get("size"),
                modified=None if modified is None else str(modified),
                etag=_etag(info),
            )
        ]


def place_of(dataset: Any) -> Place | None:
    """Return where a dataset has saved its data; None for what is in no file, or not known."""
    inner = wrapped_dataset(dataset)
    if inner is not None:
        return place_of(inner)
    path = _path_of(dataset)
    if path is None:
        return None
    protocol = getattr(dataset, "_protocol", None) or _scheme(path)
    if protocol in _LOCAL:
        return Place(
            path=os.path.abspath(path.removeprefix("file://")),  # noqa: PTH100 - links stay
            protocol="file",
            suffix=str(getattr(dataset, "_filename_suffix", "")),
        )
    filesystem = getattr(dataset, "_fs", None) or getattr(dataset, "_filesystem", None)
    suffix = str(getattr(dataset, "_filename_suffix", ""))
    return Place(path=path, protocol=protocol, filesystem=filesystem, suffix=suffix)


def table_of(dataset: Any) -> str | None:
    """Return the name of the database table that a dataset has saved to, where it says one."""
    save_args = getattr(dataset, "_save_args", None) or {}
    name = getattr(dataset, "_table_name", None) or save_args.get("name")
    if not isinstance(name, str):
        return None
    schema = getattr(dataset, "_database", None) or save_args.get("schema")
    return f"{schema}.{name}" if isinstance(schema, str) else name


def _path_of(dataset: Any) -> str | None:
    path = getattr(dataset, "_filepath", None) or getattr(dataset, "_path", None)
    if path is None or not isinstance(path, str | os.PathLike) or callable(path):
        return None
    if getattr(dataset, "_version", None) is not None:
        # What it was saved as, not what it would be loaded as.
        path = dataset._get_versioned_path(dataset.resolve_save_version())  # noqa: SLF001
    return str(path)


def _scheme(path: str) -> str:
    scheme, mark, _ = path.partition("://")
    return scheme if mark else ""


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in names:
            path = Path(parent, name)
            yield path.relative_to(folder).as_posix(), path


def _local_file(path: Path, within: str) -> SavedFile:
    found = path.stat()
    return SavedFile(within=within, size=found.st_size, modified=str(found.st_mtime_ns), local=path)


def _etag(info: Any) -> str | None:
    # A checksum is the same for the same bytes; some storages' etags are new with each write.
    names = ("md5Hash", "content_md5", "ETag", "etag")
    return next((str(info[name]) for name in names if info.get(name)), None)
