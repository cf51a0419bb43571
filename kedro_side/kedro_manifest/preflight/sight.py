"""What the workers of one client see of files, and which variables they are given. Pure.

Knows clients and paths, neither datasets nor groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from posixpath import join, normpath
from typing import Any

import msgspec

from kedro_manifest.orchestration.clients import DockerClient, SshClient, SubprocessClient

IMAGE_FOLDER = "/project"
"""The project's folder in images of `docker/Dockerfile`."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A path as a worker has it."""

    path: str
    """Where the worker looks for it."""
    source: str | None = None
    """What is there, in words that are the same for the same place; None if it is the container's
    own, and gone with it."""
    read_only: bool = False
    is_certain: bool = True
    """False where it hangs on a working directory that only the image knows."""


class _Mount(msgspec.Struct, frozen=True, kw_only=True):
    target: str
    source: str | None
    read_only: bool = False

    def source_of(self, path: str) -> str | None:
        rest = path.removeprefix(self.target).strip("/")
        return self.source and (join(self.source, rest) if rest else self.source)


def see_as_process(path: str, project_path: str) -> Seen:
    """Return how a process on this machine sees a path; it is in the project's folder."""
    absolute = normpath(join(project_path, path))
    return Seen(path=absolute, source=absolute)


def see_as_container(client: DockerClient, path: str, project_path: str) -> Seen:
    """Return how a container sees a path of the catalog."""
    path = normpath(path)
    mounts = list(_mounts_of(client, project_path))
    folder = project_path if client.mount_project else client.project_dir
    is_certain = path.startswith("/") or folder is not None
    found = normpath(join(folder or IMAGE_FOLDER, path))
    mount = _innermost(mounts, found)
    if mount is None and not is_certain:
        lasting = [each for each in mounts if each.source is not None]
        mount = next((each for each in lasting if _shared_end(each.target, path)), None)
        if mount is not None:
            rest = path[len(_shared_end(mount.target, path)) :]
            found = normpath(join(mount.target, rest.strip("/")))
        # With no mount at all it is in none, whatever the working directory.
        is_certain = not lasting
    if mount is None:
        return Seen(path=found, is_certain=is_certain)
    source = mount.source_of(found)
    if source is not None and client.engine_url and not client.engine_url.startswith("unix:"):
        source = f"{source} of {client.engine_url}"
    return Seen(path=found, source=source, read_only=mount.read_only)


def see_on_host(client: SshClient, path: str, project_path: str) -> Seen:
    """Return how a process on another host sees a path; of several hosts, each has a disk of its own."""
    found = normpath(join(client.project_dir or project_path, path))
    for folder in map(normpath, client.shared_dirs):
        if found == folder or _is_below(found, folder):
            return Seen(path=found, source=found)
    host = client.hosts[0] if len(client.hosts) == 1 else None
    return Seen(path=found, source=host and f"{found} of {host}")


def is_handed_on(client: DockerClient | SshClient | SubprocessClient, name: str) -> bool:
    """Tell whether a client gives its workers a variable."""
    return name in client.env or any(fnmatchcase(name, pattern) for pattern in client.pass_env)


def _mounts_of(client: DockerClient, project_path: str) -> Iterator[_Mount]:
    for each in client.mounts:
        is_own = each.source is None or each.type == "tmpfs"
        source = f"volume '{each.source}'" if each.type == "volume" else each.source
        yield _Mount(
            target=normpath(each.target),
            source=None if is_own else source,
            read_only=each.read_only,
        )
    if client.mount_project:
        yield _Mount(target=project_path, source=project_path)
    yield from _volumes_of(client.container_kwargs.get("volumes"))


def _volumes_of(volumes: Any) -> Iterator[_Mount]:
    """Read `volumes` as the docker library takes it: a mapping, or texts with colons."""
    if isinstance(volumes, Mapping):
        for source, volume in volumes.items():
            if isinstance(volume, Mapping) and "bind" in volume:
                mode = str(volume.get("mode", ""))
                yield _volume(str(source), str(volume["bind"]), mode)
    elif isinstance(volumes, Sequence) and not isinstance(volumes, str):
        for volume in volumes:
            source, _, rest = str(volume).partition(":")
            target, _, mode = rest.partition(":")
            if target:
                yield _volume(source, target, mode)


def _volume(source: str, target: str, mode: str) -> _Mount:
    named = source if source.startswith("/") else f"volume '{source}'"
    return _Mount(target=normpath(target), source=named, read_only="ro" in mode.split(","))


def _innermost(mounts: Sequence[_Mount], path: str) -> _Mount | None:
    holding = [each for each in mounts if path == each.target or _is_below(path, each.target)]
    return max(holding, key=lambda each: len(each.target), default=None)


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def _shared_end(target: str, path: str) -> str:
    """Return what a relative path begins with and a target ends with: `data` of `…/data`, `data/x`."""
    parts = path.split("/")
    heads = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return next((head for head in heads if target.endswith(f"/{head}")), "")
