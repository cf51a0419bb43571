"""Files and objects as fsspec sees them: what is there, and whether it has changed.

Looks only, and reads bytes for a content hash. Knows no assets and no catalog: credentials of a
catalog are Kedro's, and what is needed here is named by variables of this process's environment.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path
from posixpath import basename
from typing import Any, Literal

import fsspec
import msgspec
from fsspec import AbstractFileSystem
from fsspec.registry import known_implementations
from fsspec.registry import registry as registered

from dagster_kedro.errors import StorageError

VersionBy = Literal["auto", "modified", "content"]

_LOCAL = frozenset({"file", "local"})
_ETAGS = ("ETag", "etag")
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "modify", "Last-Modified", "created")
_CHUNK_BYTES = 2**20
_GONE = frozenset({404, 410})
_BUILT_IN = "fsspec.implementations."
_GLOB = re.compile(r"\*")
_HIDDEN = re.compile(r"(?:^|/)\.")
_TIME_FORMATS = (
    "%Y-%m-%dT%H:%M:%S.%f%z",
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y%m%d%H%M%S",
    "%Y%m%d%H%M%S.%f",
    "%a, %d %b %Y %H:%M:%S GMT",
)


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file or object."""

    url: str
    """Absolute; a plain path if it is local."""
    within: str
    """Below the place that was looked at; empty if the file is that place."""
    size: int | None
    modified: str | None
    """As the storage spells it, as exact as it has it."""
    modified_s: float | None
    """In seconds since 1970; None where the storage does not say, or nobody can read it."""
    etag: str | None

    @property
    def name(self) -> str:
        """The last part of the URL."""
        return basename(self.url)

    @property
    def state(self) -> str:
        """What changes when the file does, its name included."""
        return f"{self.url}\0{self.size}\0{self.modified}\0{self.etag}"


class Place:
    """Somewhere that files may be: a file, a folder with all that is in it, or a pattern.

    Args:
        url: An fsspec URL or a path; `*` and `**` make it a pattern.
        folder: What a relative path is relative to.
        options: Of fsspec; `{env: NAME}` stands for a variable of the environment.
        options_place: Where in `dagster.yml` the options stand, for errors.
    """

    def __init__(
        self,
        url: str,
        *,
        folder: Path,
        options: Mapping[str, Any] | None = None,
        options_place: str = "storage_options",
    ) -> None:
        self.url = url if _has_protocol(url) else str(folder / url)
        self._options = options or {}
        self._options_place = options_place

    def find(self) -> list[StoredFile]:
        """Return the files that are there, sorted by URL; none if the place does not exist.

        Hidden files, whose names begin with a dot, are left out: programs write there until a
        file is complete.

        Raises:
            StorageError: The storage cannot be reached, or an environment variable is not set.
        """
        options = self._filled(self._options)
        try:
            # A new instance each time: fsspec's own would show listings of an earlier look.
            system, path = fsspec.url_to_fs(self.url, skip_instance_cache=True, **options)
            listed = _list(system, path)
        except FileNotFoundError as error:
            if _is_missing(error):
                return []
            raise self._unreachable(error.__cause__ or error) from error
        except Exception as error:  # fsspec's libraries each raise errors of their own
            raise self._unreachable(error) from error
        root = _GLOB.split(path)[0].rpartition("/")[0] if _GLOB.search(path) else path
        found = [
            self._stored_file(system, path, name.removeprefix(root).strip("/"), info)
            for name, info in listed.items()
            if info["type"] == "file"
        ]
        visible = [file for file in found if not _HIDDEN.search(file.within)]
        return sorted(visible, key=lambda each: each.url)

    def version(self, files: list[StoredFile], version_by: VersionBy) -> str:
        """Return a text that changes when any of these files does, or one comes or goes.

        Raises:
            StorageError: The storage says nothing by which to tell, or cannot be read.
        """
        digest = hashlib.sha256()
        for file in files:
            digest.update(f"{file.within}\0{self._version_of(file, version_by)}\n".encode())
        return digest.hexdigest()[:16]

    def _stored_file(
        self, system: AbstractFileSystem, path: str, within: str, info: Mapping[str, Any]
    ) -> StoredFile:
        modified = next((info[key] for key in _TIMES if info.get(key) is not None), None)
        return StoredFile(
            url=self._url_of(system, path, info["name"]),
            within=within,
            size=info.get("size"),
            modified=None if modified is None else str(modified),
            modified_s=_seconds(modified),
            etag=next((str(info[key]) for key in _ETAGS if info.get(key)), None),
        )

    def _url_of(self, system: AbstractFileSystem, path: str, name: str) -> str:
        """Spell a file as the place is spelled: fsspec forgets the host of some storages."""
        own = self.url.rstrip("/")
        if not _has_protocol(own):
            return name
        if own.endswith(path):
            return own.removesuffix(path) + name
        full: str = system.unstrip_protocol(name)
        return full

    def _version_of(self, file: StoredFile, version_by: VersionBy) -> str:
        if version_by == "content":
            return self._content_hash(file)
        if version_by == "auto" and file.etag is not None:
            return file.etag
        if file.modified is None:
            raise StorageError(
                f"Cannot tell versions of '{file.url}' apart: the storage gives neither an etag nor "
                "a time. Set `observation: {version_by: content}` in dagster.yml."
            )
        return f"{file.size} {file.modified}"

    def _content_hash(self, file: StoredFile) -> str:
        digest = hashlib.sha256()
        try:
            with fsspec.open(
                file.url, "rb", skip_instance_cache=True, **self._filled(self._options)
            ) as stream:
                while chunk := stream.read(_CHUNK_BYTES):
                    digest.update(chunk)
        except Exception as error:  # as above
            raise self._unreachable(error) from error
        return digest.hexdigest()

    def _filled(self, value: Any) -> Any:
        """Put in what the environment holds for `{env: NAME}`."""
        if isinstance(value, Mapping):
            if set(value) == {"env"} and isinstance(value["env"], str):
                return self._variable(value["env"])
            return {key: self._filled(inner) for key, inner in value.items()}
        return [self._filled(inner) for inner in value] if isinstance(value, list) else value

    def _variable(self, name: str) -> str:
        if name not in os.environ:
            raise StorageError(
                f"Cannot look at '{self.url}': environment variable {name} is not set, which "
                f"dagster.yml: {self._options_place} names. Set it where Dagster runs."
            )
        return os.environ[name]

    def _unreachable(self, error: BaseException) -> StorageError:
        said = str(error) or type(error).__name__
        return StorageError(
            f"Cannot look at '{self.url}': {said}. Check that this machine reaches the storage, and "
            f"dagster.yml: {self._options_place}; credentials stand there as `{{env: NAME}}`, since "
            "those of the catalog are Kedro's only."
        )


def is_supported(url: str) -> bool:
    """Tell whether the library that a URL needs is installed, without importing a large one."""
    if not _has_protocol(url):
        return True
    protocols = [part.partition("://")[0] for part in url.split("::")]
    return all("/" in protocol or _is_installed(protocol) for protocol in protocols)


def latest_version(files: list[StoredFile]) -> list[StoredFile]:
    """Return those of a versioned dataset's files that Kedro would load: the newest version's."""
    newest = max((_first_folder(file) for file in files), default="")
    return [file for file in files if _first_folder(file) == newest]


def _first_folder(file: StoredFile) -> str:
    return file.within.partition("/")[0]


def _list(system: AbstractFileSystem, path: str) -> dict[str, dict[str, Any]]:
    # Left to itself, fsspec takes a folder that it cannot list for an empty one.
    strictly = {} if system.async_impl else {"on_error": _raise_if_unreachable}
    if _GLOB.search(path):
        listed = system.glob(path, detail=True, **strictly)
    elif system.info(path)["type"] == "file":
        listed = {path: system.info(path)}
    else:
        listed = system.find(path, detail=True, **strictly)
    return {info["name"]: info for info in listed.values()}


def _is_missing(error: FileNotFoundError) -> bool:
    """Tell a file that is not there from a server that does not answer, which HTTP's does not."""
    cause = error.__cause__
    status = getattr(cause, "status", None)
    if isinstance(status, int):
        return status in _GONE
    return not isinstance(cause, OSError) or isinstance(cause, FileNotFoundError)


def _raise_if_unreachable(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _has_protocol(url: str) -> bool:
    return "://" in url or "::" in url


def _is_installed(protocol: str) -> bool:
    if protocol in registered or protocol in _LOCAL:
        return True
    if protocol not in known_implementations:
        return False
    module = known_implementations[protocol]["class"].rpartition(".")[0]
    if not module.startswith(_BUILT_IN):
        return find_spec(module.partition(".")[0]) is not None
    try:
        fsspec.get_filesystem_class(protocol)
    except ImportError:
        return False
    return True


def _seconds(modified: Any) -> float | None:
    """Return a time that some storage spelled in its own way."""
    if isinstance(modified, int | float):
        return float(modified)
    if isinstance(modified, datetime):
        return modified.replace(tzinfo=modified.tzinfo or timezone.utc).timestamp()
    for parsed in _parsed(str(modified)):
        return parsed.replace(tzinfo=parsed.tzinfo or timezone.utc).timestamp()
    return None


def _parsed(text: str) -> Iterator[datetime]:
    for pattern in _TIME_FORMATS:
        with suppress(ValueError):
            yield datetime.strptime(text, pattern)  # noqa: DTZ007 - the caller sees to the zone
