"""Whether a worker did what it was asked to, by how it ended and what it said of a failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kedro_manifest.errors import InvocationError, NoKedroError, ProjectDriftError
from kedro_manifest.events import NodeFailed

from dagster_kedro.clients.base import WorkerExit
from dagster_kedro.errors import (
    ChannelIncompleteError,
    GroupFailedError,
    NodeFailedError,
    WorkerEvictedError,
    WorkerExitedError,
    WorkerLostError,
    WorkerOutOfMemoryError,
    WorkerPreemptedError,
    WorkerRefusedError,
    WorkerTimedOutError,
)
from dagster_kedro.results.wording import (
    describe_exception,
    describe_exit,
    describe_failure,
    describe_timeout,
    quote_output,
)

_TAKEN: dict[str, type[GroupFailedError]] = {
    "evicted": WorkerEvictedError,
    "preempted": WorkerPreemptedError,
}
_BLOCKED = "BlockedByCheckError"
"""What a worker raises instead of running a node that a failed check is upstream of."""
_REFUSALS = {error.__name__ for error in (ProjectDriftError, InvocationError, NoKedroError)}
"""What a worker raises before it starts on its nodes, and would raise again."""


def judge_worker(
    group: str,
    ended: WorkerExit,
    reason: NodeFailed | Mapping[str, Any] | None,
    *,
    defects: Sequence[str],
    output: list[str],
    timed_out_s: float | None,
) -> None:
    """Return if a worker ended well and all that it said has arrived.

    Args:
        group: What it ran, for people.
        ended: How its process ended.
        reason: The failing node, or the exception, that it gave as its reason for failing.
        defects: What is wrong with its messages.
        output: The last lines of its output, quoted where it gave no reason.
        timed_out_s: The time that it had, if it was stopped for taking longer.

    Raises:
        GroupFailedError: It did not; the kind of error says why.
    """
    # What a node says while it is being ended from outside is no reason of its own.
    if (ended_from_outside := _error_from_outside(ended)) is not None:
        raise ended_from_outside(describe_exit(group, ended, output))
    if timed_out_s is not None:
        raise WorkerTimedOutError(describe_timeout(group, timed_out_s, output))
    if isinstance(reason, NodeFailed):
        raise NodeFailedError(describe_failure(reason), reason)
    if reason is not None and reason.get("name") == _BLOCKED:
        # Pipes takes the traceback's last line for the message, which begins with the name.
        raise NodeFailedError(str(reason.get("message")).rpartition(f"{_BLOCKED}: ")[2].rstrip())
    if reason is not None:
        error = WorkerRefusedError if reason.get("name") in _REFUSALS else GroupFailedError
        raise error(describe_exception(group, reason))
    if ended.out_of_memory:
        raise WorkerOutOfMemoryError(describe_exit(group, ended, output))
    if not ended.is_clean:
        raise WorkerExitedError(describe_exit(group, ended, output))
    if defects:
        raise ChannelIncompleteError(
            f"Cannot trust the result of {group}: {'; '.join(defects)}. "
            f"Run it again.{quote_output(output)}"
        )


def _error_from_outside(ended: WorkerExit) -> type[GroupFailedError] | None:
    """Return what it is called where the worker's place has ended it; None where it has not."""
    if ended.taken is not None:
        return _TAKEN[ended.taken]
    if ended.overdue:
        return WorkerTimedOutError
    return WorkerLostError if ended.lost is not None else None
