"""A text that is the same for the same saved data, as cheaply as it can be had.

Dagster shows what is downstream as stale when it changes. See docs/decisions/012-data-versions.md.
Knows files, not datasets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from kedro_manifest.invocation import VersionBy

from kedro_pipes.worker.description.places import SavedFile

MOST_BYTES = 64 * 2**20
"""Of all files together, up to which `auto` reads them: they are in the system's cache still."""
_CHUNK_BYTES = 2**20


def data_version(files: Sequence[SavedFile], version_by: VersionBy) -> str | None:
    """Return the version of some files; None where nothing tells one from another."""
    if version_by == "never" or not files:
        return None
    parts = [_version_of(file, _reads(files, version_by)) for file in files]
    if None in parts:
        return None
    digest = hashlib.sha256()
    for file, part in zip(files, parts, strict=True):
        digest.update(f"{file.within}\0{part}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def _reads(files: Sequence[SavedFile], version_by: VersionBy) -> bool:
    if version_by == "content":
        return True
    return version_by == "auto" and sum(file.size or 0 for file in files) <= MOST_BYTES


def _version_of(file: SavedFile, read: bool) -> str | None:  # noqa: FBT001 - one of two ways
    if read and file.local is not None:
        return _content_hash(file.local)
    if file.etag is not None:
        return file.etag
    return None if file.modified is None else f"{file.size} {file.modified}"


def _content_hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
