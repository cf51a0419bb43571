"""What the workers of one client see of files, and which variables they are given. Pure.

Knows clients and paths, neither datasets nor groups.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from posixpath import join, normpath

import msgspec

from kedro_manifest.orchestration.clients import (
    DockerClient,
    K8sClient,
    SshClient,
    SubprocessClient,
)
from kedro_manifest.orchestration.kubernetes import PodConfig
from kedro_manifest.preflight.mounts import (
    Mount,
    entries_of,
    innermost,
    mounts_of_container,
    mounts_of_pod,
    setting,
)

IMAGE_FOLDER = "/project"
"""The project's folder in images of `docker/Dockerfile`."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A path as a worker has it."""

    path: str
    """Where the worker looks for it."""
    source: str | None = None
    """What is there, in words that are the same for the same place; None if it is the worker's
    own, and gone with its container or pod."""
    read_only: bool = False
    is_certain: bool = True
    """False where it hangs on a working directory that only the image knows, or on volumes that
    Dagster's own settings may bring into a pod."""


def see_as_process(path: str, project_path: str) -> Seen:
    """Return how a process on this machine sees a path; it is in the project's folder."""
    absolute = normpath(join(project_path, path))
    return Seen(path=absolute, source=absolute)


def see_as_container(client: DockerClient, path: str, project_path: str) -> Seen:
    """Return how a container sees a path of the catalog."""
    folder = project_path if client.mount_project else client.project_dir
    seen = _see_in_image(list(mounts_of_container(client, project_path)), folder, path)
    engine = client.engine_url
    if seen.source is None or not engine or engine.startswith("unix:"):
        return seen
    return msgspec.structs.replace(seen, source=f"{seen.source} of {engine}")


def see_in_pod(client: K8sClient, pod: PodConfig, path: str, project_path: str) -> Seen:
    """Return how a pod sees a path of the catalog, by what the client and a group say of it."""
    folder = project_path if client.mount_project else client.project_dir
    for layer in (client.pod, pod):
        folder = setting(layer.container_config, "workingDir") or folder
    mounts = list(mounts_of_pod(client, pod, project_path))
    seen = _see_in_image(mounts, folder, path)
    if innermost(mounts, seen.path) is None:
        return msgspec.structs.replace(seen, is_certain=False)
    return seen


def _see_in_image(mounts: list[Mount], folder: str | None, path: str) -> Seen:
    """Return how what runs of an image sees a path.

    Args:
        mounts: What is mounted into it.
        folder: Its working directory; None if only the image knows.
        path: As the catalog has it.
    """
    path = normpath(path)
    is_certain = path.startswith("/") or folder is not None
    found = normpath(join(folder or IMAGE_FOLDER, path))
    mount = innermost(mounts, found)
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
    return Seen(path=found, source=mount.source_of(found), read_only=mount.read_only)


def see_on_host(client: SshClient, path: str, project_path: str) -> Seen:
    """Return how a process on another host sees a path; of several hosts, each has a disk of its own."""
    found = normpath(join(client.project_dir or project_path, path))
    for folder in map(normpath, client.shared_dirs):
        if Mount(target=folder, source=folder).holds(found):
            return Seen(path=found, source=found)
    host = client.hosts[0] if len(client.hosts) == 1 else None
    return Seen(path=found, source=host and f"{found} of {host}")


def is_handed_on(
    client: DockerClient | K8sClient | SshClient | SubprocessClient, pod: PodConfig, name: str
) -> bool:
    """Tell whether a client gives its workers a variable, or may, by a secret or a config map.

    Args:
        client: The client.
        pod: Raw settings of a group, where it is a pod's.
        name: The variable's.
    """
    if name in client.env or any(fnmatchcase(name, pattern) for pattern in client.pass_env):
        return True
    if not isinstance(client, K8sClient):
        return False
    said = [layer.container_config for layer in (client.pod, pod)]
    return bool(client.env_secrets or client.env_config_maps) or any(
        setting(each, "envFrom") or any(one.get("name") == name for one in entries_of(each, "env"))
        for each in said
    )


def _shared_end(target: str, path: str) -> str:
    """Return what a relative path begins with and a target ends with: `data` of `…/data`, `data/x`."""
    parts = path.split("/")
    heads = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return next((head for head in heads if target.endswith(f"/{head}")), "")
