"""The conductor of a step: one process that holds the run's session and forks its workers.

Knows when it starts and how it ends, and has another one started in the place of one that has died.
All that is once in a run of Kedro happens there: it stands where `RunHooks` stands without one.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any

import dagster as dg
from kedro_manifest.invocation import RunError

from dagster_kedro.clients.base import Conductor, KedroClient, Worker, WorkerLaunch
from dagster_kedro.errors import (
    ConductorFailedError,
    GroupFailedError,
    WorkerNotStartedError,
    WorkerTimedOutError,
)
from dagster_kedro.results.expected import Expected
from dagster_kedro.results.group_results import GroupResults, Outcome
from dagster_kedro.results.wording import LogLine
from dagster_kedro.running.run_hooks import run_error, will_be_tried_again
from dagster_kedro.running.worker_session import run_worker

_WAIT_S = 0.01
_JOIN_S = 30.0


class StepConductor:
    """Starts workers of one step through a conductor.

    Args:
        context: The step's.
        client: Has conductors.
        make_launch: Returns what a conductor is started with.
        tell: Tells what it reports, in the step's own thread.
        has_hooks: Whether anybody implements hooks that are once in a run.
        timeout_s: Seconds that it has to begin, and to end; None for any number.
        output_level: At which level its output is told; None for not at all.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        client: KedroClient,
        make_launch: Callable[[], WorkerLaunch],
        tell: Callable[[Outcome], object],
        *,
        has_hooks: bool,
        timeout_s: float | None,
        output_level: str | None,
    ) -> None:
        self._context = context
        self._client = client
        self._make_launch = make_launch
        self._tell = tell
        self._has_hooks = has_hooks
        self._timeout_s = math.inf if timeout_s is None else timeout_s
        self._output_level = output_level
        self._present: _Followed | None = None
        self._starting = threading.Lock()
        self.queue: SimpleQueue[Any] = SimpleQueue()
        """What it reports, until the step's own thread takes it."""

    def begin(self) -> None:
        """Start it, and wait until its session has begun the run.

        One that could not be started is left to the groups: each asks for it anew, and counts that
        as a try of its own.

        Raises:
            GroupFailedError: It was started and has failed, so that no node may run.
        """
        present = self._start()
        self._wait(present, until=lambda: present.is_ready)
        if not present.is_ready:
            present.is_judged = True
            if not isinstance(present.error, WorkerNotStartedError):
                raise _failed_to_begin(present.error) from present.error

    def starter(self, stop: threading.Event) -> _ThroughConductor:
        """Return what starts workers for a group.

        Args:
            stop: Ends the waiting for a conductor that has to be started anew.
        """
        return _ThroughConductor(self, stop)

    @contextmanager
    def launch(self, launch: WorkerLaunch, stop: threading.Event) -> Iterator[Worker]:
        """Have a worker forked, by a new conductor if the last one has died."""
        with ExitStack() as stack:
            present = self._living(stop)
            try:
                worker = stack.enter_context(present.conductor.launch(launch))
            except WorkerNotStartedError:
                if not present.is_gone:
                    raise
                # It has died between being asked for and being asked.
                worker = stack.enter_context(self._living(stop).conductor.launch(launch))
            yield worker

    def succeed(self, remove_staged: list[str]) -> None:
        """Have the session end well, with `after_pipeline_run`.

        Raises:
            GroupFailedError: It has not.
        """
        error = self._finish(None, remove_staged)
        if error is not None:
            raise ConductorFailedError(
                f"All groups are done, but the run's session failed at its end: {error}"
            ) from error

    def fail(self, error: BaseException) -> None:
        """Have the session end with the first failure of the run, if that is final.

        A hook that fails as well is logged: the run's own failure is the one to be told.
        """
        is_gone = self._present is not None and self._present.is_gone
        if will_be_tried_again(self._context) or (is_gone and not self._has_hooks):
            return
        failed: BaseException | None
        try:
            failed = self._finish(run_error(error), [])
        except GroupFailedError as not_begun:
            failed = not_begun
        if failed is not None:
            self._context.log.log("ERROR", str(failed))

    def close(self) -> None:
        """End it, whatever it does."""
        if self._present is not None:
            if self._present.is_gone:
                self._bury(self._present)
            self._present.end()
            self._tell_all()

    def _finish(self, error: RunError | None, remove_staged: list[str]) -> BaseException | None:
        present = self._living(threading.Event())
        present.conductor.finish(error, remove_staged)
        present.is_judged = True
        self._wait(present, until=lambda: False)
        return present.error

    def _wait(self, present: _Followed, until: Callable[[], bool]) -> None:
        """Tell what a conductor reports until something holds or it has ended, or for too long."""
        deadline = time.monotonic() + self._timeout_s
        while not (until() or present.has_ended.wait(_WAIT_S)):
            self._tell_all()
            if time.monotonic() > deadline:
                present.end()
                present.error = WorkerTimedOutError(
                    f"The conductor took longer than its {self._timeout_s:g} s in hooks of the run "
                    "or while the project was loaded, and was stopped."
                )
        self._tell_all()

    def _living(self, stop: threading.Event) -> _Followed:
        """Return a conductor that is ready; start one where the last one has died."""
        with self._starting:
            present = self._present
            if present is not None and present.is_gone:
                self._bury(present)
            if present is None or present.is_gone:
                present = self._start()
            while not (present.is_ready or present.has_ended.wait(_WAIT_S)):
                if stop.is_set():
                    raise WorkerNotStartedError("No worker was started: the run is ending.")
        if not present.is_ready:
            raise _failed_to_begin(present.error) from present.error
        return present

    def _bury(self, present: _Followed) -> None:
        """Say how a conductor has ended that nobody had asked to."""
        present.end()
        if not present.is_judged:
            present.is_judged = True
            self.queue.put(LogLine(f"The run's session was lost: {present.error}", "error"))

    def _start(self) -> _Followed:
        self._present = _Followed(
            self._client, self._make_launch(), self.queue.put, self._output_level
        )
        return self._present

    def _tell_all(self) -> None:
        with suppress(Empty):
            while True:
                self._tell(self.queue.get_nowait())


class _ThroughConductor:
    """Starts the workers of one group."""

    def __init__(self, conductor: StepConductor, stop: threading.Event) -> None:
        self._conductor = conductor
        self._stop = stop

    def launch(self, launch: WorkerLaunch) -> Any:
        """Start one worker."""
        return self._conductor.launch(launch, self._stop)


class _Followed:
    """One conductor, and a thread that follows it from launch to verdict."""

    def __init__(
        self,
        client: KedroClient,
        launch: WorkerLaunch,
        emit: Callable[[Outcome], object],
        output_level: str | None,
    ) -> None:
        self._client = client
        self._launch = launch
        self._emit = emit
        self._output_level = output_level
        self._conductor: Conductor | None = None
        self._stop = threading.Event()
        self.error: BaseException | None = None
        """Why it did not end well, once it has ended."""
        self.has_ended = threading.Event()
        self.is_judged = False
        """True once somebody has asked it to end, or has told why it has."""
        # It is this thread whose end the conductor takes for the end of the orchestrator.
        self._thread = threading.Thread(target=self._follow, name="kedro-conductor", daemon=True)
        self._thread.start()

    @property
    def is_ready(self) -> bool:
        """True once its session has begun the run."""
        return self._conductor is not None and self._conductor.is_ready

    @property
    def is_gone(self) -> bool:
        """True once it can start no worker any more."""
        return self.has_ended.is_set() or (self._conductor is not None and self._conductor.is_gone)

    @property
    def conductor(self) -> Conductor:
        """The conductor, once it is ready."""
        if self._conductor is None:
            raise WorkerNotStartedError("The conductor has not been started.")
        return self._conductor

    def end(self) -> None:
        """Stop it if it still runs, and wait until nothing of it is left."""
        self._stop.set()
        self._thread.join(_JOIN_S)

    @contextmanager
    def launch(self, launch: WorkerLaunch) -> Iterator[Worker]:
        """Start it, as `run_worker` asks for."""
        with self._client.conduct(launch) as conductor:
            self._conductor = conductor
            yield conductor

    def _follow(self) -> None:
        results = GroupResults(Expected(name="the conductor", assets={}))
        try:
            run_worker(
                self,
                self._launch,
                results,
                self._emit,
                self._stop,
                output_level=self._output_level,
            )
        except BaseException as error:  # noqa: BLE001 - handed to the step's thread
            self.error = error
        finally:
            self.has_ended.set()


def _failed_to_begin(error: BaseException | None) -> GroupFailedError:
    if isinstance(error, WorkerNotStartedError):
        return error
    return ConductorFailedError(
        f"Nothing is run: the run's session failed before its first node. {error}"
    )
