"""Where nodes and their data are: `grouping`, `groups`, `memory_datasets`, `store`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from kedro_manifest.orchestration.docker import ContainerResources
from kedro_manifest.orchestration.kubernetes import PodConfig
from kedro_manifest.orchestration.retrying import Retries, Times
from kedro_manifest.planning.grouping import ExplicitGroup, OnCycle, Strategy

ANY_DATASET = "*"
OnDrift = Literal["refuse", "warn"]
Timeout = Annotated[float, msgspec.Meta(gt=0)]
"""In seconds."""


class Grouping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`grouping:` which nodes share a process where nothing else is said."""

    strategy: Strategy = "node"
    """What nodes of one group have in common: nothing, each is alone (`node`); the outermost
    namespace; a tag that begins with `tag_prefix`; or the smallest registered pipeline."""
    tag_prefix: str = "group."
    """Beginning of the tags that name groups, for `strategy: tag`."""
    on_cycle: OnCycle = "widen"
    """Of groups that would wait for each other: make one of them, with a warning (`widen`), or
    refuse to load."""


class GroupSettings(ExplicitGroup, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`groups.<name>:` nodes that share a process, and how that process is run."""

    client: str | None = None
    """Name of the client, of those under `clients`, that runs the group. Default: the one that is
    `for` its nodes."""
    env: dict[str, str] = msgspec.field(default_factory=dict)
    """Environment variables of its worker, over those of the client."""
    image: str | None = None
    """Image of its worker's container. Default: that of the client."""
    resources: ContainerResources = ContainerResources()
    """What its worker's container may use, over those of the client."""
    pod: PodConfig = PodConfig()
    timeout_s: Timeout | None = None
    """Seconds after which its worker is stopped and the group fails. Default: what its client says,
    else the file."""
    retries: Retries | Times | None = None
    """How often the group is run again within its step; a number alone is `max_retries`. Default:
    `retries` of the file."""
    runner: Literal["sequential", "thread"] = "sequential"
    """Kedro's runner inside the worker."""
    is_async: bool = False
    """Whether the worker loads and saves datasets in threads, as `kedro run --async` does."""

    def __post_init__(self) -> None:
        """Refuse what Kedro would pass over with a warning."""
        if self.runner == "thread" and self.is_async:
            raise ValueError(
                "Kedro's ThreadRunner loads and saves in the thread of the node: "
                "leave out `is_async` or `runner: thread`"
            )


class Store(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`store:` where in-memory data crosses from one process to another."""

    url: str = ".kedro-pipes/staging"
    """An fsspec URL; a plain path is relative to the project."""
    backend: str = "pickle"
    """Module with `dumps` and `loads` that pickles it, such as `cloudpickle`."""
