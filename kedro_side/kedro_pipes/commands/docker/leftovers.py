"""Which containers and volumes nobody waits for any more. Decides; asks and removes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from kedro_manifest.labels import PROCESS_LABEL, RUN_LABEL
from kedro_manifest.processes import ProcessIdentity

from kedro_pipes.commands.docker.engine import Container, Volume
from kedro_pipes.commands.leftovers import Limits, Reason

_IDLE = ("created", "exited", "dead")


def left_volumes(volumes: Iterable[Volume], limits: Limits) -> list[Volume]:
    """Return the unused volumes that no container is just being made for."""
    return [
        each
        for each in volumes
        if limits.include(each.labels.get(RUN_LABEL, ""), each.created_at)
        and limits.is_settled(each.created_at)
    ]


def reason_to_keep(container: Container, limits: Limits) -> Reason | None:
    """Return why a container is not for us to remove; None if it is."""
    return limits.reason_to_keep(
        step_is_alive=step_is_alive(container),
        is_running=is_running(container),
        since=since(container),
    )


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
