"""What the state of a pod means: it waits, it cannot start, it has ended, and why. Pure."""

from __future__ import annotations

import signal
from typing import Literal

import msgspec
from kedro_manifest.orchestration.kubernetes import StartLimits

from dagster_kedro.clients.base import WorkerExit
from dagster_kedro.clients.kubernetes_objects import (
    Condition,
    ContainerStatus,
    Pod,
    Terminated,
    Waiting,
)

WORKER = "worker"
"""Name of the container that is ours; others may stand beside it."""

Stage = Literal["scheduling", "pulling", "starting"]

_NEVER = {"InvalidImageName", "ErrImageNeverPull"}
"""Reasons that no waiting mends."""
_PULLING = {"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError"}
_START_ERRORS = {"StartError", "ContainerCannotRun", "RunContainerError"}
_SIGNAL_CODES = range(129, 128 + 65)
_TAKEN: dict[str, Literal["evicted", "preempted"]] = {
    # `reason` of a pod
    "Evicted": "evicted",
    "Preempting": "preempted",
    "NodeShutdown": "preempted",
    "Terminated": "preempted",
    "Shutdown": "preempted",
    # reasons of the condition `DisruptionTarget`
    "PreemptionByScheduler": "preempted",
    "EvictionByEvictionAPI": "evicted",
    "TerminationByKubelet": "evicted",
}
_NODE_IS_LOST = {"NodeLost", "DeletionByTaintManager", "DeletionByPodGC"}


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """Why a worker's container does not run yet."""

    stage: Stage
    words: str
    """What the cluster says, or nothing."""
    is_final: bool = False
    """Whether no waiting mends it."""

    def limit_s(self, limits: StartLimits) -> float:
        """Return how long that may last."""
        return {
            "scheduling": limits.schedule_s,
            "pulling": limits.pull_s,
            "starting": limits.start_s,
        }[self.stage]


def pending(pod: Pod) -> Pending | None:
    """Return why the worker's container does not run yet; None if it runs or has ended."""
    state = pod.container(WORKER)
    if state.running or state.terminated or _has_ended(pod):
        return None
    scheduled = pod.condition("PodScheduled")
    if scheduled is not None and scheduled.status != "True":
        return Pending(stage="scheduling", words=_said(scheduled.reason, scheduled.message))
    for waiting in _waiting(pod):
        words = _said(waiting.reason, waiting.message)
        if waiting.reason in _NEVER | _PULLING:
            return Pending(stage="pulling", words=words, is_final=waiting.reason in _NEVER)
        if waiting.reason not in (None, "ContainerCreating", "PodInitializing"):
            return Pending(stage="starting", words=words)
    return Pending(stage="starting" if scheduled else "scheduling", words="")


def start_failure(pod: Pod) -> str | None:
    """Return what the cluster says where the worker never came to run, and never will."""
    ended = pod.container(WORKER).terminated
    if ended is not None and ended.reason in _START_ERRORS:
        return _said(ended.reason, ended.message)
    for status in pod.status.init_container_statuses or ():
        ended = status.state.terminated
        if ended is not None and ended.exit_code and pod.status.phase == "Failed":
            words = _said(ended.reason, ended.message)
            return f"init container '{status.name}' exited with code {ended.exit_code} ({words})"
    return None


def how_it_ended(pod: Pod, *, is_deleted: bool, memory_bytes: int | None) -> WorkerExit | None:
    """Return how the worker ended; None while it runs, or may still come to.

    Args:
        pod: What is known of it.
        is_deleted: Whether the pod is gone.
        memory_bytes: What the worker may use; None for anything.
    """
    status = pod.status
    disrupted = pod.condition("DisruptionTarget")
    ended = pod.container(WORKER).terminated
    if status.reason == "DeadlineExceeded":
        return WorkerExit(overdue=True, cure=_quoted(status.message))
    if ended is not None and ended.reason == "OOMKilled":
        return _out_of_memory(ended, memory_bytes)
    if (ended is None or ended.exit_code) and (is_deleted or _has_ended(pod) or ended):
        if taken := _taken(pod, disrupted):
            return taken
        if is_deleted or pod.metadata.deletion_timestamp:
            return WorkerExit(lost="lost its pod, which somebody has deleted,")
    if _is_lost(pod, disrupted):
        return WorkerExit(lost="lost its node, of which the cluster hears nothing any more,")
    if ended is not None:
        return _exit_of(ended)
    if is_deleted:
        return WorkerExit(lost="lost its pod, which somebody has deleted,")
    if _has_ended(pod):
        words = _said(status.reason, status.message) or f"phase {status.phase}"
        return WorkerExit(lost=f"ended, and its pod tells no exit code ({words}),")
    return None


def _has_ended(pod: Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")


def _taken(pod: Pod, disrupted: Condition | None) -> WorkerExit | None:
    taken = _TAKEN.get(pod.status.reason or "")
    if taken is not None:
        return WorkerExit(taken=taken, cure=_quoted(pod.status.message))
    if disrupted is not None and disrupted.status == "True":
        taken = _TAKEN.get(disrupted.reason or "")
        if taken is not None:
            return WorkerExit(taken=taken, cure=_quoted(disrupted.message))
    return None


def _is_lost(pod: Pod, disrupted: Condition | None) -> bool:
    by_taint = disrupted is not None and disrupted.reason in _NODE_IS_LOST
    return pod.status.reason in _NODE_IS_LOST or (
        by_taint and bool(pod.metadata.deletion_timestamp)
    )


def _out_of_memory(ended: Terminated, memory_bytes: int | None) -> WorkerExit:
    # What the kernel kills it for is that it has reached its limit.
    return (
        WorkerExit(signal=signal.SIGKILL, out_of_memory=True, peak_memory_bytes=memory_bytes)
        if ended.exit_code
        else WorkerExit(code=0)
    )


def _exit_of(ended: Terminated) -> WorkerExit:
    by_signal = ended.exit_code in _SIGNAL_CODES
    return WorkerExit(
        code=None if by_signal else ended.exit_code,
        signal=ended.exit_code - 128 if by_signal else None,
    )


def _waiting(pod: Pod) -> list[Waiting]:
    statuses: list[ContainerStatus] = [
        *(pod.status.init_container_statuses or ()),
        *(pod.status.container_statuses or ()),
    ]
    return [each.state.waiting for each in statuses if each.state.waiting is not None]


def _said(reason: str | None, message: str | None) -> str:
    return ": ".join(each.rstrip(".") for each in (reason, message) if each)


def _quoted(message: str | None) -> str:
    return f"Kubernetes says: {message.strip().rstrip('.')}." if message else ""
