"""A Docker engine, through the `docker` command: what of ours is there, and taking it away.

The command finds its engine as it always does: by `DOCKER_HOST`, its contexts, TLS and SSH. Knows
nothing of what is worth keeping.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import msgspec
from kedro_manifest.errors import KedroPipesError
from kedro_manifest.labels import GROUP_LABEL

_ANSWER_S = 60
_STOP_S = 10
_GONE = "No such"
_Found = TypeVar("_Found")


class EngineCommandError(KedroPipesError):
    """The `docker` command is missing, reaches no engine, or is refused something.

    Cure: the message has the engine's own words.
    """


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
    """

    def __init__(self, url: str | None = None) -> None:
        self._prefix = ["docker", *(["--host", url] if url else [])]
        self._url = url

    def containers(self) -> list[Container]:
        """Return the containers that bear our label, running or not.

        Raises:
            EngineCommandError: No engine answers.
        """
        ids = self._run("ps", "--all", "--quiet", "--no-trunc", f"--filter=label={GROUP_LABEL}")
        return self._inspect(["inspect", "--type=container"], ids.split(), Container)

    def unused_volumes(self) -> list[Volume]:
        """Return the volumes that bear our label, and that no container uses.

        Raises:
            EngineCommandError: No engine answers.
        """
        ours = f"--filter=label={GROUP_LABEL}"
        names = self._run("volume", "ls", "--quiet", ours, "--filter=dangling=true")
        return self._inspect(["volume", "inspect"], names.split(), Volume)

    def remove(self, container: Container, *, running: bool) -> None:
        """Remove a container with the volumes that are its own; one that runs is stopped first.

        Raises:
            EngineCommandError: The engine refuses.
        """
        if running:
            self._run("stop", f"--time={_STOP_S}", container.id, may_be_gone=True)
        self._run("rm", "--force", "--volumes", container.id, may_be_gone=True)

    def remove_volume(self, volume: Volume) -> None:
        """Remove a volume.

        Raises:
            EngineCommandError: The engine refuses.
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

    def _run(self, *arguments: str, may_be_gone: bool = False) -> str:
        try:
            done = subprocess.run(  # noqa: S603 - the command is named above, its words are ours
                [*self._prefix, *arguments],
                capture_output=True,
                text=True,
                check=False,
                timeout=_ANSWER_S,
            )
        except FileNotFoundError as error:
            raise EngineCommandError(
                "Cannot ask a Docker engine: there is no `docker` command on the PATH. Install "
                "Docker's command line, or run this where it is."
            ) from error
        except subprocess.TimeoutExpired as error:
            raise EngineCommandError(self._silent(f"no answer within {_ANSWER_S} s")) from error
        if done.returncode and not (may_be_gone and _GONE in done.stderr):
            raise EngineCommandError(self._silent(" ".join(done.stderr.split()).rstrip(".?")))
        return done.stdout

    def _silent(self, words: str) -> str:
        where = f"the Docker engine at '{self._url}'" if self._url else "the Docker engine"
        return (
            f"Cannot ask {where}: {words}. See that it runs and that you may use it (`docker info`)"
            ", or name another with --engine-url, DOCKER_HOST or `docker context use`."
        )
