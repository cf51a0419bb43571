"""What the Kubernetes API says of pods and events, as far as we ask. Data only, no decisions."""

from __future__ import annotations

from datetime import datetime

import msgspec


class _Object(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Part of an object; what else it says is passed over."""


class Metadata(_Object, frozen=True, kw_only=True):
    """`metadata` of anything."""

    name: str = ""
    uid: str = ""
    resource_version: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Condition(_Object, frozen=True, kw_only=True):
    """One of `status.conditions`."""

    type: str
    status: str
    reason: str | None = None
    message: str | None = None


class Waiting(_Object, frozen=True, kw_only=True):
    """`state.waiting` of a container."""

    reason: str | None = None
    message: str | None = None


class Terminated(_Object, frozen=True, kw_only=True):
    """`state.terminated` of a container."""

    exit_code: int
    reason: str | None = None
    message: str | None = None


class Running(_Object, frozen=True, kw_only=True):
    """`state.running` of a container."""


class ContainerState(_Object, frozen=True, kw_only=True):
    """`state` of a container: one of these."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(_Object, frozen=True, kw_only=True):
    """One of `status.containerStatuses`."""

    name: str
    image: str = ""
    state: ContainerState = ContainerState()


class Status(_Object, frozen=True, kw_only=True):
    """`status` of a pod."""

    phase: str = "Pending"
    reason: str | None = None
    message: str | None = None
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None


class Pod(_Object, frozen=True, kw_only=True):
    """A pod."""

    metadata: Metadata
    status: Status = Status()

    def condition(self, kind: str) -> Condition | None:
        """Return the condition of a kind, if it is told."""
        return next((each for each in self.status.conditions or () if each.type == kind), None)

    def container(self, name: str) -> ContainerState:
        """Return the state of a container; nothing is told of one that is still to come."""
        told = self.status.container_statuses or ()
        return next((each.state for each in told if each.name == name), ContainerState())


class PodList(_Object, frozen=True, kw_only=True):
    """An answer to a list request."""

    metadata: Metadata
    items: list[Pod] = []


class Event(_Object, frozen=True, kw_only=True):
    """What some component of the cluster has noted of a pod."""

    type: str = "Normal"
    reason: str = ""
    message: str = ""
    last_timestamp: datetime | None = None
    event_time: datetime | None = None


class EventList(_Object, frozen=True, kw_only=True):
    """An answer to a list request."""

    items: list[Event] = []


class Failure(_Object, frozen=True, kw_only=True):
    """A `Status` object: how the API refuses something, or ends a watch."""

    code: int = 0
    reason: str | None = None
    message: str | None = None


class Change(_Object, frozen=True, kw_only=True):
    """A line of a watch."""

    type: str
    object: msgspec.Raw
