"""Which containers and volumes nobody waits for any more. Decides; asks and removes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from kedro_manifest.labels import PROCESS_LABEL, RUN_LABEL
from kedro_manifest.processes import ProcessIdentity

from kedro_pipes.commands.docker.engine import Container, Volume

SETTLED = timedelta(minutes=1)
"""A step removes a container within seconds of its end; what ended longer ago is left."""

Reason = Literal["runs", "may run", "just ended"]
"""Why something is kept: its step runs, or may run as far as can be told from here, or ended now."""
_IDLE = ("created", "exited", "dead")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What of the leftovers is meant."""

    now: datetime
    run: str = ""
    """The beginning of a Dagster run's id."""
    older_than: timedelta = timedelta()
    running: bool = False
    """Whether what runs is meant where its step cannot be asked."""

    def include(self, labels: Mapping[str, str], since: datetime) -> bool:
        """Tell whether something is meant."""
        is_old = self.now - since >= self.older_than
        return is_old and labels.get(RUN_LABEL, "").startswith(self.run)


def left_volumes(volumes: Iterable[Volume], limits: Limits) -> list[Volume]:
    """Return the unused volumes that no container is just being made for."""
    return [
        each
        for each in volumes
        if limits.include(each.labels, each.created_at) and limits.now - each.created_at >= SETTLED
    ]


def reason_to_keep(container: Container, limits: Limits) -> Reason | None:
    """Return why a container is not for us to remove; None if it is."""
    alive = step_is_alive(container)
    if alive is False:
        return None
    if is_running(container):
        if alive:
            return "runs"
        return None if limits.running else "may run"
    return None if limits.now - since(container) >= SETTLED else "just ended"


def step_is_alive(container: Container) -> bool | None:
    """Tell whether the step that waits for a container runs; None if that cannot be known here."""
    process = ProcessIdentity.read(container.config.labels.get(PROCESS_LABEL, ""))
    return process.is_alive() if process else None


def is_running(container: Container) -> bool:
    """Tell whether a container has processes."""
    return container.state.status not in _IDLE


def since(container: Container) -> datetime:
    """Return when a container came to be as it is."""
    state = container.state
    moment = state.started_at if is_running(container) else state.finished_at
    # One that was never started is as old as it is.
    return max(container.created, moment)
