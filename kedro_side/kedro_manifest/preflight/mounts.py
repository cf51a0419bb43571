"""What is mounted into containers and pods, as `dagster.yml` describes it. Pure.

Knows clients and paths, neither datasets nor groups.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from posixpath import join, normpath
from typing import Any

import msgspec

from kedro_manifest.orchestration.clients import DockerClient, K8sClient
from kedro_manifest.orchestration.kubernetes import PodConfig

_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A folder that a worker does not have of its image."""

    target: str
    source: str | None
    """What is there, in words that are the same for the same place; None if it goes with the
    worker."""
    read_only: bool = False

    def source_of(self, path: str) -> str | None:
        """Return what is at a path below the target, in the same words."""
        rest = path.removeprefix(self.target).strip("/")
        return self.source and _joined(self.source, rest)

    def holds(self, path: str) -> bool:
        """Tell whether a path is in it."""
        return path == self.target or path.startswith(self.target.rstrip("/") + "/")


def innermost(mounts: Iterable[Mount], path: str) -> Mount | None:
    """Return the mount that has a path."""
    holding = [each for each in mounts if each.holds(path)]
    return max(holding, key=lambda each: len(each.target), default=None)


def mounts_of_container(client: DockerClient, project_path: str) -> Iterator[Mount]:
    """Yield what a client mounts into its containers."""
    for each in client.mounts:
        is_own = each.source is None or each.type == "tmpfs"
        source = f"volume '{each.source}'" if each.type == "volume" else each.source
        yield Mount(
            target=normpath(each.target),
            source=None if is_own else source,
            read_only=each.read_only,
        )
    if client.mount_project:
        yield Mount(target=project_path, source=project_path)
    yield from _docker_volumes(client.container_kwargs.get("volumes"))


def _docker_volumes(volumes: Any) -> Iterator[Mount]:
    """Read `volumes` as the docker library takes it: a mapping, or texts with colons."""
    if isinstance(volumes, Mapping):
        for source, volume in volumes.items():
            if isinstance(volume, Mapping) and "bind" in volume:
                mode = str(volume.get("mode", ""))
                yield _docker_volume(str(source), str(volume["bind"]), mode)
    elif isinstance(volumes, Sequence) and not isinstance(volumes, str):
        for volume in volumes:
            source, _, rest = str(volume).partition(":")
            target, _, mode = rest.partition(":")
            if target:
                yield _docker_volume(source, target, mode)


def _docker_volume(source: str, target: str, mode: str) -> Mount:
    named = source if source.startswith("/") else f"volume '{source}'"
    return Mount(target=normpath(target), source=named, read_only="ro" in mode.split(","))


def mounts_of_pod(client: K8sClient, pod: PodConfig, project_path: str) -> Iterator[Mount]:
    """Yield what a client and a group mount into the container of a worker's pod.

    Args:
        client: The client, with raw settings of its own.
        pod: Those of the group.
        project_path: The project's folder, which the client may mount.
    """
    found: dict[str, Mount] = {}
    if client.mount_project:
        found[project_path] = Mount(target=project_path, source=project_path)
    layers = (client.pod, pod)
    volumes = {
        str(each.get("name")): each
        for layer in layers
        for each in entries_of(layer.pod_spec_config, "volumes")
    }
    for layer in layers:
        for each in entries_of(layer.container_config, "volumeMounts"):
            target, volume = setting(each, "mountPath"), volumes.get(str(each.get("name")))
            if target and volume:
                # What a group mounts takes the place of what its client mounts there.
                found[normpath(target)] = _pod_volume(client, volume, each, normpath(target))
    yield from found.values()


def _pod_volume(
    client: K8sClient, volume: Mapping[str, Any], mount: Mapping[str, Any], target: str
) -> Mount:
    source, is_fixed = _source_of_volume(client, volume)
    below = str(setting(mount, "subPath") or "")
    return Mount(
        target=target,
        source=source and _joined(source, below),
        read_only=is_fixed or bool(setting(mount, "readOnly")),
    )


def _source_of_volume(client: K8sClient, volume: Mapping[str, Any]) -> tuple[str | None, bool]:
    """Return what a volume holds, in words, and whether it can only be read."""
    for kind in ("emptyDir", "ephemeral"):
        if setting(volume, kind) is not None:
            return None, False
    for kind in ("configMap", "secret", "projected", "downwardAPI", "image"):
        if setting(volume, kind) is not None:
            return f"volume '{volume.get('name')}'", True
    claim, host, server = (
        found if isinstance(found := setting(volume, kind), Mapping) else {}
        for kind in ("persistentVolumeClaim", "hostPath", "nfs")
    )
    if claim:
        name = str(setting(claim, "claimName"))
        named = "/".join(each for each in (client.context, client.namespace, name) if each)
        return f"claim '{named}'", bool(setting(claim, "readOnly"))
    if host:
        return normpath(str(host.get("path"))), False
    if server:
        return f"{server.get('server')}:{server.get('path')}", bool(setting(server, "readOnly"))
    return f"volume '{volume.get('name')}'", False


def setting(config: Mapping[str, Any], name: str) -> Any:
    """Return what raw settings say under a name of Kubernetes's, in either spelling."""
    return config.get(name, config.get("_".join(_CAPITAL.split(name)).lower()))


def entries_of(config: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the entries of a list in raw settings; one that is no mapping is refused elsewhere."""
    found = setting(config, name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _joined(source: str, rest: str) -> str:
    return join(source, rest) if rest else source
