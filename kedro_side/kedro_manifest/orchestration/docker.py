"""`clients.<name>` of type `docker`: containers of a Docker engine."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Size = Annotated[str, msgspec.Meta(pattern=r"^\d+(\.\d+)?[bkmgBKMG]?$")]
"""Bytes, or with a letter: `512m`, `2g`."""


Pull = Literal["missing", "always", "never"]


class ContainerResources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`resources:` what a container may use."""

    cpus: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Processors, such as 1.5."""
    memory: Size | None = None
    """Such as `4g`; a worker that takes more is killed and fails as out of memory."""
    shm_size: Size | None = None
    """Of /dev/shm, which some libraries share between processes; Docker's own is `64m`."""
    gpus: Literal["all"] | Annotated[int, msgspec.Meta(ge=1)] | list[str] | None = None
    """How many, all of them, or their ids."""


class Mount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something of the engine's machine that a container sees."""

    target: str
    """Where, in the container."""
    source: str | None = None
    """Path on the engine's machine, or name of a volume. Default: a volume of the container's own."""
    type: Literal["bind", "volume", "tmpfs"] = "bind"
    """A path (`bind`), a volume, or memory (`tmpfs`)."""
    read_only: bool = False
    """Whether the container cannot write there."""


class Ulimit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A limit of `setrlimit`."""

    name: str
    """Such as `nofile`."""
    soft: int
    """The limit."""
    hard: int | None = None
    """How far a process may raise it. Default: not at all."""


class Registry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where images are pulled from with a name and a password of the orchestrator's environment."""

    username_env: str
    """Variable that holds the name."""
    password_env: str
    """Variable that holds the password."""
    url: str = ""
    """The registry, for messages. The image's name says which is asked."""


class Tls(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Paths, on the orchestrator, of the files for an engine behind TLS."""

    ca_cert: str | None = None
    """Who vouches for the engine."""
    client_cert: str | None = None
    """Who we are."""
    client_key: str | None = None
    """The key of that."""


class SharedMessages(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A folder that the orchestrator and the containers both see, for message files."""

    source: str
    """Path on the engine's machine, or name of a volume."""
    here: str
    """Where the orchestrator sees it."""
