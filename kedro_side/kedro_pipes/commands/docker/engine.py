"""A Docker engine, through the `docker` command: what of ours is there, and taking it away.

The command finds its engine as it always does: by `DOCKER_HOST`, its contexts, TLS and SSH. Knows
nothing of what is worth keeping.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import msgspec
from kedro_manifest.labels import GROUP_LABEL
from kedro_manifest.orchestration.docker import Tls

from kedro_pipes.commands.outside import OutsideProgram

_STOP_S = 10
_Found = TypeVar("_Found")


class State(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """`State` of a container."""

    status: str
    """`created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`."""
    started_at: datetime
    """Of the year 1 while it has not been."""
    finished_at: datetime
    """As `started_at`."""


class Config(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """`Config` of a container."""

    labels: dict[str, str] = {}


class Container(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """What `docker inspect` says of a container, as far as we ask."""

    id: str
    name: str
    created: datetime
    state: State
    config: Config


class Volume(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """What `docker volume inspect` says of a volume, as far as we ask."""

    name: str
    created_at: datetime
    labels: dict[str, str] = {}


class DockerCommand:
    """The `docker` command, with one engine.

    Args:
        url: The engine's address; None for the one that the command finds by itself.
        tls: Files for an engine behind TLS; None for what the command finds by itself.
    """

    def __init__(self, url: str | None = None, tls: Tls | None = None) -> None:
        self._run = OutsideProgram(
            ["docker", *(["--host", url] if url else []), *_tls_options(tls)],
            asked=f"the Docker engine at '{url}'" if url else "the Docker engine",
            missing="Install Docker's command line, or run this where it is.",
            cure="See that it runs and that you may use it (`docker info`), or name another with "
            "--engine-url, DOCKER_HOST or `docker context use`.",
            gone=["No such"],
        ).run

    def version(self) -> str:
        """Return the engine's version.

        Raises:
            OutsideProgramError: No engine answers.
        """
        return self._run("version", "--format={{.Server.Version}}").strip()

    def containers(self) -> list[Container]:
        """Return the containers that bear our label, running or not.

        Raises:
            OutsideProgramError: No engine answers.
        """
        ids = self._run("ps", "--all", "--quiet", "--no-trunc", f"--filter=label={GROUP_LABEL}")
        return self._inspect(["inspect", "--type=container"], ids.split(), Container)

    def unused_volumes(self) -> list[Volume]:
        """Return the volumes that bear our label, and that no container uses.

        Raises:
            OutsideProgramError: No engine answers.
        """
        ours = f"--filter=label={GROUP_LABEL}"
        names = self._run("volume", "ls", "--quiet", ours, "--filter=dangling=true")
        return self._inspect(["volume", "inspect"], names.split(), Volume)

    def remove(self, container: Container, *, running: bool) -> None:
        """Remove a container with the volumes that are its own; one that runs is stopped first.

        Raises:
            OutsideProgramError: The engine refuses.
        """
        if running:
            self._run("stop", f"--time={_STOP_S}", container.id, may_be_gone=True)
        self._run("rm", "--force", "--volumes", container.id, may_be_gone=True)

    def remove_volume(self, volume: Volume) -> None:
        """Remove a volume.

        Raises:
            OutsideProgramError: The engine refuses.
        """
        self._run("volume", "rm", volume.name, may_be_gone=True)

    def _inspect(
        self, command: Sequence[str], names: Sequence[str], kind: type[_Found]
    ) -> list[_Found]:
        if not names:
            return []
        # What has gone since it was listed is left out of the answer, and told on stderr.
        told = self._run(*command, *names, may_be_gone=True)
        return msgspec.json.decode(told or "[]", type=list[kind])  # type: ignore[valid-type]


def _tls_options(tls: Tls | None) -> list[str]:
    if tls is None:
        return []
    files = {"tlscacert": tls.ca_cert, "tlscert": tls.client_cert, "tlskey": tls.client_key}
    return [
        "--tlsverify" if tls.ca_cert else "--tls",
        *(f"--{name}={file}" for name, file in files.items() if file),
    ]
