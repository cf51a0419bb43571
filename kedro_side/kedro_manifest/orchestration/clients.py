"""`clients`, `concurrency`: where workers run, and how many at a time.

Another place for workers is a struct here, one of `AnyClient`, and a factory for it on the
Dagster side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration.placement import Timeout
from kedro_manifest.planning.grouping import ExplicitGroup

DEFAULT_CLIENT = "default"
"""Name of the client that runs what no other one does."""

_PLANNED = ("docker", "k8s", "ssh")


class ChosenFor(ExplicitGroup, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`clients.<name>.for:` the nodes that a client runs: any of these, in any of the lists."""


class _Client(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    rename={"chosen_for": "for"},
):
    chosen_for: ChosenFor = ChosenFor()
    """The nodes that it runs, unless their group names another client. Default: those of groups
    and jobs that name it."""
    timeout_s: Timeout | None = None
    """Seconds after which a worker is stopped and its group fails, unless the group says otherwise.
    Default: what the file says."""


class SubprocessClient(_Client, frozen=True, kw_only=True, tag="subprocess"):
    """A process on this machine for each worker."""

    python: str | None = None
    """Interpreter of the workers; a path may be relative to the project. Default: the project's
    own."""
    env: dict[str, str] = {}
    """Environment variables of its workers."""
    pass_env: list[str] = []
    """Variables that are handed on from the orchestrator's environment; `*` stands for anything."""
    grace_s: Annotated[float, msgspec.Meta(ge=0)] = 5.0
    """Seconds between asking a worker to stop and killing it."""
    messages: Literal["file", "stdout"] = "file"
    """How messages travel: in a file of their own, or in frames on the output."""


class CustomClient(_Client, frozen=True, kw_only=True, tag="custom"):
    """Any client that can be written in Python."""

    factory: Annotated[str, msgspec.Meta(pattern=r"^[\w.]+:[\w.]+$")]
    """`module:function` of the Dagster side that returns a `KedroClient`."""
    options: dict[str, Any] = {}
    """Its arguments; `{env: NAME}` is handed over as `dagster.EnvVar`."""


AnyClient = SubprocessClient | CustomClient


class Concurrency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`concurrency:` how many workers run at a time."""

    max_concurrent: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Workers at a time in one step; 0 for as many as there are processors."""
    tags: dict[str, Annotated[int, msgspec.Meta(ge=1)]] = {}
    """Groups at a time in one step that hold a node of a tag, by the Kedro tag."""
    pool: str | None = None
    """Dagster's concurrency pool of the steps, whose limit holds over all runs."""


def refuse_planned_types(clients: Any) -> None:
    """Say of a kind of client that is still to come that it is, and what to do until then.

    Args:
        clients: What stands under `clients`, as it was read.

    Raises:
        OrchestrationError: One is of such a kind.
    """
    for name, entry in clients.items() if isinstance(clients, Mapping) else ():
        kind = entry.get("type") if isinstance(entry, Mapping) else None
        if kind in _PLANNED:
            raise OrchestrationError.at(
                f"clients.{name}.type",
                f"clients of type '{kind}' are planned, but not there yet",
                "Until then use `type: custom` with a `factory` of your own, or `subprocess`.",
            )
