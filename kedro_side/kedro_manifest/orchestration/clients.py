"""`clients`, `concurrency`: where workers run, and how many at a time."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class ChosenFor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`clients.<name>.for:` the nodes that a client runs: any of these, in any of the lists."""

    nodes: list[str] = []
    tags: list[str] = []
    namespaces: list[str] = []
    pipelines: list[str] = []


class _Client(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    rename={"chosen_for": "for"},
):
    chosen_for: ChosenFor = ChosenFor()
    env: dict[str, str] = {}
    """Environment variables of its workers."""
    timeout_s: float | None = None


class SubprocessClient(_Client, frozen=True, kw_only=True, tag="subprocess"):
    """A process on this machine for each worker."""

    python: str | None = None
    pass_env: list[str] = []
    grace_s: float = 5.0
    messages: Literal["file", "stdout"] = "file"


class CustomClient(_Client, frozen=True, kw_only=True, tag="custom"):
    """Any client that can be written in Python."""

    factory: str
    """`module:function` of the Dagster side that returns a `KedroClient`."""
    options: dict[str, Any] = {}
    """Its arguments."""


AnyClient = SubprocessClient | CustomClient


class Concurrency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`concurrency:` how many workers run at a time."""

    max_concurrent: int = 0
    """In one step; 0 for as many as there are processors."""
    tags: dict[str, int] = {}
    """Limits in one step, for the groups that hold a node of a tag."""
    pool: str | None = None
    """Dagster's concurrency pool of the steps."""
