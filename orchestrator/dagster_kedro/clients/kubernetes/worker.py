"""One worker in a pod: followed while it waits and runs, ended on request, told apart by its end.

Knows a connection and a pod that is there; not how the pod was described.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from typing import IO, cast

import msgspec
from kedro_manifest.orchestration.kubernetes import StartLimits

from dagster_kedro.clients.base import OutputLine, WorkerExit
from dagster_kedro.clients.kubernetes.connection import Connection
from dagster_kedro.clients.kubernetes.errors import (
    FORBIDDEN,
    NOT_FOUND,
    UNAUTHORIZED,
    ApiRefusedError,
    ApiUnreachableError,
)
from dagster_kedro.clients.kubernetes.leases import Lease
from dagster_kedro.clients.kubernetes.logs import LogBrokenError, LogGoneError, LogStream
from dagster_kedro.clients.kubernetes.objects import Pod
from dagster_kedro.clients.kubernetes.reasons import (
    WORKER,
    Pending,
    how_it_ended,
    pending,
    start_failure,
)
from dagster_kedro.clients.output import OutputPump
from dagster_kedro.errors import WorkerNotStartedError

PATIENCE_S = 120.0
"""How long the API may be silent before a worker without a lease counts as lost."""
_LAST_WORDS_S = 60.0
_KILL_WAIT_S = 10.0
_POLL_S = 0.05
_RIGHTS = (
    "Give the orchestrator's service account the rights that `docs/how-to/use-kubernetes.md` lists."
)


class PodWorker:
    """A pod that has been created.

    Args:
        connection: To its cluster.
        pod: As it was created.
        group: Name of the group, for what it prints.
        grace_s: Seconds between asking it to stop and killing it.
        lease_s: Seconds without a word of us after which it ends itself; 0 for never.
        limits: How long it may take to run.
        memory_bytes: What it may use; None for anything.
    """

    def __init__(
        self,
        connection: Connection,
        pod: Pod,
        group: str,
        *,
        grace_s: float,
        lease_s: float,
        limits: StartLimits,
        memory_bytes: int | None,
    ) -> None:
        self._connection = connection
        self._news = threading.Event()
        self._watched = connection.watch.track(pod, self._news.set)
        self._group = group
        self._grace_s = grace_s
        self._limits = limits
        self._memory_bytes = memory_bytes
        self._patience_s = lease_s or PATIENCE_S
        self._lease = Lease(pod.metadata.name, WORKER, lease_s) if lease_s else None
        self._has_lease = False
        self._exit: WorkerExit | None = None
        self._stopped = False
        self._waits: Pending | None = None
        self._waits_since = time.monotonic()
        self._pull_words = ""
        self._log_refusal: str | None = None
        self._log = LogStream(self._read_log, self._has_started, self._is_over)
        self._output = OutputPump(group, cast("IO[bytes]", self._log), on_output=self._news.set)

    @property
    def place(self) -> str:
        """The pod, as `kubectl` takes it."""
        return f"pod {self._connection.api.namespace}/{self._name}"

    @property
    def has_ended(self) -> bool:
        """Tell whether nothing of it runs any more."""
        return self._exit is not None and not self._stopped

    def poll(self) -> WorkerExit | None:
        """Return how it ended, by what the watch has heard.

        Raises:
            WorkerNotStartedError: It did not come to run within its limits, or never will.
        """
        if self._exit is None:
            self._exit = self._look()
        return self._exit

    def wait_for_news(self, timeout_s: float) -> None:
        """Return once the watch or the log has brought something."""
        self._news.wait(timeout_s)
        self._news.clear()  # before whoever has waited looks

    def read_lines(self) -> list[bytes]:
        """Return the messages that have come."""
        return self._output.messages()

    def read_rest(self) -> list[bytes]:
        """Return what is left; the log is read to its end, which may take a while.

        Raises:
            WorkerNotStartedError: We may not read it.
        """
        self._output.join(_LAST_WORDS_S)
        if self._log_refusal is not None:  # it has ended before `poll` could say so
            raise self._refused(self._log_refusal)
        return self._output.messages()

    def read_output(self) -> list[OutputLine]:
        """Return the lines of output that have come."""
        return self._output.lines()

    def last_output(self) -> list[str]:
        """Return the last lines that it wrote."""
        return self._output.last_lines()

    def stop(self) -> None:
        """Delete the pod: its containers get SIGTERM, and SIGKILL after the grace."""
        self._stopped |= self.poll() is None
        if self._exit is None:
            self._delete(max(1, round(self._grace_s)))
            self._wait(self._grace_s + _KILL_WAIT_S)
        if self._exit is None:
            self._delete(0)
            self._wait(_KILL_WAIT_S)
        if self._exit is None:
            # The cluster does not answer; the worker hears nothing of us, and ends itself.
            self._exit = WorkerExit(stopped=True)

    def close(self) -> None:
        """Let go of the log, the lease and the watch."""
        self._log.give_up()
        if self._lease is not None:
            self._connection.leases.end(self._lease)
        self._connection.watch.forget(self._watched)

    @property
    def _name(self) -> str:
        return self._watched.pod.metadata.name

    def _delete(self, grace_s: int) -> None:
        try:
            uid = self._watched.pod.metadata.uid
            self._connection.api.delete_pod(self._name, uid, grace_s)
        except (ApiRefusedError, ApiUnreachableError):
            pass  # its lease ends it

    def _wait(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while self.poll() is None and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def _look(self) -> WorkerExit | None:
        pod, is_deleted = self._watched.pod, self._watched.is_deleted
        ended = how_it_ended(pod, is_deleted=is_deleted, memory_bytes=self._memory_bytes)
        if self._stopped:
            # Gone for good only with its pod: until then, something of it may run.
            is_over = is_deleted or ended is not None
            return WorkerExit(stopped=True) if is_over else None
        if words := start_failure(pod):
            raise WorkerNotStartedError(
                f"Cannot start '{self._group}' in {self.place}: {words}. See that the image has "
                "what `python` names, and what is mounted."
            )
        if ended is not None:
            return self._with_lease(ended)
        if (waits := pending(pod)) is not None:
            self._take_waiting(pod, waits)
        elif self._lease is not None:
            self._keep_lease(self._lease)
        return self._look_at_connection()

    def _with_lease(self, ended: WorkerExit) -> WorkerExit:
        """Say of a worker that was asked to stop, and not by us, that its guardian may have."""
        if self._lease is None or ended.signal != signal.SIGTERM:
            return ended
        words = f"It was stopped from outside, or heard nothing of us for {self._patience_s:g} s"
        return msgspec.structs.replace(ended, cure=f"{words} (`lease_s`).")

    def _take_waiting(self, pod: Pod, waits: Pending) -> None:
        now = time.monotonic()
        if self._waits is None or self._waits.stage != waits.stage:
            self._waits_since = now
        self._waits = waits
        if waits.stage == "pulling" and "ErrImagePull" in waits.words:
            self._pull_words = waits.words  # `ImagePullBackOff` often says no more than that
        took_s = now - self._waits_since
        if not (waits.is_final or took_s > waits.limit_s(self._limits)):
            return
        words = [waits.words, self._pull_words if waits.stage == "pulling" else ""]
        if waits.stage == "starting":
            words += self._connection.api.warnings_of(pod)[-2:]
        told = "; ".join(dict.fromkeys(each for each in words if each)) or "it says no more"
        cure = {
            "scheduling": "Ask for less, or for other nodes, or raise `limits.schedule_s`.",
            "pulling": "Check the image's name, `pull` and `image_pull_secrets`.",
            "starting": "Mend what it waits for, or raise `limits.start_s`.",
        }[waits.stage]
        raise WorkerNotStartedError(
            f"Cannot start '{self._group}' in {self.place}, which was {waits.stage} for "
            f"{took_s:.0f} s: {told}. {cure}"
        )

    def _keep_lease(self, lease: Lease) -> None:
        if not self._has_lease:
            self._has_lease = True
            self._connection.leases.keep(lease)
        if lease.refusal is not None:
            raise WorkerNotStartedError(
                f"Cannot keep the worker in {self.place} alive: the Kubernetes API refuses to attach"
                f" to it: {lease.refusal}. {_RIGHTS} Or say `lease_s: 0`, and see in "
                "`docs/decisions/021-kubernetes.md` what ends a worker then."
            )

    def _look_at_connection(self) -> WorkerExit | None:
        watch = self._connection.watch
        refusal = watch.refusal or self._log_refusal
        if refusal is not None:
            raise self._refused(refusal)
        if watch.trouble is not None:
            since, words = watch.trouble
            if time.monotonic() - since > self._patience_s:
                self._log.give_up()
                return WorkerExit(
                    lost=f"is out of reach: the Kubernetes API does not answer ({words})"
                )
        return None

    def _refused(self, words: str) -> WorkerNotStartedError:
        return WorkerNotStartedError(
            f"Cannot follow {self.place}: the Kubernetes API refuses it: {words}. {_RIGHTS}"
        )

    def _has_started(self, timeout_s: float) -> bool:
        """Wait until there is a log, or will be none."""

        def is_there() -> bool:
            state = self._watched.pod.container(WORKER)
            is_over = self._watched.is_deleted or self._exit is not None
            return is_over or bool(state.running or state.terminated)

        return self._watched.wait_for(is_there, timeout_s)

    def _is_over(self, timeout_s: float) -> bool:
        """Wait until the worker writes no more."""

        def is_over() -> bool:
            ended = self._watched.pod.container(WORKER).terminated
            return ended is not None or self._watched.is_deleted or self._exit is not None

        return self._watched.wait_for(is_over, timeout_s)

    def _read_log(self, *, since: str | None, follow: bool, silence_s: float) -> Iterator[bytes]:
        try:
            yield from self._connection.api.read_log(
                self._name, WORKER, since=since, follow=follow, silence_s=silence_s
            )
        except ApiUnreachableError as error:
            raise LogBrokenError(str(error)) from error
        except ApiRefusedError as error:
            # A container that never came to run has no log either, which is a bad request.
            if error.code == NOT_FOUND or self._exit is not None:
                raise LogGoneError(str(error)) from error
            if error.code in (UNAUTHORIZED, FORBIDDEN):
                self._log_refusal = str(error)
                raise LogGoneError(str(error)) from error
            raise LogBrokenError(str(error)) from error
