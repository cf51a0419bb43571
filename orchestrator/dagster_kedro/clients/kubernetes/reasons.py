"""What the state of a pod means: it waits, it cannot start, it has ended, and why. Pure."""

from __future__ import annotations

import signal
from typing import Literal

import msgspec
from kedro_manifest.orchestration.kubernetes import StartLimits

from dagster_kedro.clients.base import WorkerExit
from dagster_kedro.clients.kubernetes.objects import (
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
    ended = pod.container(WORKER).terminated
    if pod.status.reason == "DeadlineExceeded":
        return WorkerExit(overdue=True, cure=_quoted(pod.status.message))
    if ended is not None and (not ended.exit_code or ended.reason == "OOMKilled"):
        return _exit_of(ended, memory_bytes)
    is_going = is_deleted or bool(pod.metadata.deletion_timestamp)
    is_over = is_deleted or ended is not None or _has_ended(pod)
    if (is_over or is_going) and _is_node_lost(pod):
        return WorkerExit(lost="lost its node, of which the cluster hears nothing any more,")
    return _end_of_pod(pod, ended, is_going=is_going) if is_over else None


def _end_of_pod(pod: Pod, ended: Terminated | None, *, is_going: bool) -> WorkerExit:
    """Return how a worker ended that did not end well, and whose pod may have been taken away."""
    if taken := _taken(pod):
        return taken
    if is_going:
        return WorkerExit(lost="lost its pod, which somebody has deleted,")
    if ended is not None:
        return _exit_of(ended, None)
    words = _said(pod.status.reason, pod.status.message) or f"phase {pod.status.phase}"
    return WorkerExit(lost=f"ended, and its pod tells no exit code ({words}),")


def _has_ended(pod: Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")


def _taken(pod: Pod) -> WorkerExit | None:
    disrupted = _disruption(pod)
    reasons = [(pod.status.reason, pod.status.message)]
    reasons += [(disrupted.reason, disrupted.message)] if disrupted else []
    for reason, message in reasons:
        taken = _TAKEN.get(reason or "")
        if taken is not None:
            return WorkerExit(taken=taken, cure=_quoted(message))
    return None


def _is_node_lost(pod: Pod) -> bool:
    disrupted = _disruption(pod)
    by_taint = disrupted is not None and disrupted.reason in _NODE_IS_LOST
    return pod.status.reason in _NODE_IS_LOST or by_taint


def _disruption(pod: Pod) -> Condition | None:
    found = pod.condition("DisruptionTarget")
    return found if found is not None and found.status == "True" else None


def _exit_of(ended: Terminated, memory_bytes: int | None) -> WorkerExit:
    if ended.exit_code and ended.reason == "OOMKilled":
        # What the kernel kills it for is that it has reached its limit.
        return WorkerExit(signal=signal.SIGKILL, out_of_memory=True, peak_memory_bytes=memory_bytes)
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
