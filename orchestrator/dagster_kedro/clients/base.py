"""What every client offers: start one worker, hand on its message lines, say how it ended.

A client moves bytes and ends processes. It knows nothing of nodes, assets or results.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import dagster as dg
import msgspec
from kedro_manifest.invocation import RunError
from kedro_manifest.orchestration.clients import Start


class WorkerOverrides(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one group or one run, over those of the client."""

    python: str | None = None
    """Interpreter of the worker."""
    env: dict[str, str] = {}
    """Variables besides those of the client."""
    image: str | None = None
    """Image of the worker's container."""
    resources: dict[str, Any] = {}
    """CPU, memory and the like of the worker's container."""
    pod: dict[str, dict[str, Any]] = {}
    """Raw settings of the worker's pod, under dagster-k8s's names."""

    def given(self) -> list[str]:
        """Return the names of those that say anything."""
        return [name for name in self.__struct_fields__ if getattr(self, name)]

    def only(self, names: Collection[str]) -> WorkerOverrides:
        """Return those of some names."""
        return WorkerOverrides(**{name: getattr(self, name) for name in names})


class WorkerLaunch(msgspec.Struct, frozen=True, kw_only=True):
    """What a client needs to know to start one worker."""

    group: str
    """Name of the group, for names and labels of what is started."""
    step: str = ""
    """Key of the step that waits for it, for the same."""
    context_data: dict[str, Any]
    """The Pipes context, ready to be written as JSON."""
    project_dir: Path
    python: Path | None
    """The project's own interpreter, where it is on this machine."""
    command: list[str] | None = None
    """What to start instead of our worker: any program that speaks Dagster Pipes."""
    timeout_s: float | None = None
    """After which whoever asks stops it, for a place that can see to that as well."""
    overrides: WorkerOverrides = WorkerOverrides()
    """None besides those that the client calls `overridable`."""
    step_context: dg.AssetExecutionContext | None = None
    """The step's, for clients that are Dagster's own; nothing else has a use for it."""
    is_unwanted: Callable[[], bool] = lambda: False
    """Tells whether the step is being ended: a client that waits for a place gives up then."""


class WorkerExit(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker ended."""

    code: int | None = None
    """Exit code; None when a signal ended it."""
    signal: int | None = None
    stopped: bool = False
    """True when the client ended it on request."""
    out_of_memory: bool = False
    """True when the kernel or the container engine ended it for want of memory."""
    taken: Literal["evicted", "preempted"] | None = None
    """Set when the place took its room away: it was put out for others, or lost its machine."""
    failed: str | None = None
    """Set when the place says no more than that it has failed: its words, after "failed: "."""
    overdue: bool = False
    """True when the place has ended it for running longer than it may."""
    lost: str | None = None
    """Set when nobody can say how it ended: what has become of it, after "the worker"."""
    cure: str = ""
    """What can be done about it, as a sentence, where the place knows that."""
    peak_memory_bytes: int | None = None
    """Largest resident size of the process, where it can be had."""

    @property
    def is_clean(self) -> bool:
        """True for exit code 0."""
        return self.code == 0


class OutputLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line that a worker, or what it has started, wrote to its output, and no message tells."""

    text: str
    stream: Literal["stdout", "stderr"] = "stdout"
    node: str | None = None
    """The node that wrote it, where that is known."""
    after: int = 0
    """Number of the last message that was sent before it, where that is known."""


class Worker(Protocol):
    """One worker that has been started."""

    @property
    def place(self) -> str:
        """Where it runs, for people: `process 4711`, `container ab12`."""

    def poll(self) -> WorkerExit | None:
        """Return how it ended; None while it runs."""

    def read_lines(self) -> list[bytes]:
        """Return the message lines that have come since the last call."""

    def read_rest(self) -> list[bytes]:
        """Return what is left once the worker has ended, a cut-off line included."""

    def read_output(self) -> list[OutputLine]:
        """Return the lines of output that have come since the last call.

        What was written before the messages that were read last is among them.
        """

    def last_output(self) -> list[str]:
        """Return the last lines that it wrote to its output streams."""

    def stop(self) -> None:
        """End it and everything that it started: politely, then by force. Bounded in time."""


@runtime_checkable
class HeraldingWorker(Worker, Protocol):
    """A worker that tells when it is worth asking, so that hundreds cost nothing while they wait."""

    def wait_for_news(self, timeout_s: float) -> None:
        """Return once `poll` or one of the readers may have something new, or after some time."""


class Starter(Protocol):
    """Starts workers."""

    def launch(self, launch: WorkerLaunch) -> AbstractContextManager[Worker]:
        """Start one worker; on leaving, everything that belongs to it is gone."""


class Conductor(Worker, Starter, Protocol):
    """A worker that holds one session for a whole run, and forks the workers of its groups."""

    @property
    def is_ready(self) -> bool:
        """True once its session has begun the run, so that workers are forked at once."""

    @property
    def is_gone(self) -> bool:
        """True once it takes no order any more."""

    def finish(self, error: RunError | None, remove_staged: list[str]) -> None:
        """Have it end its session, with all the hooks that Kedro calls then.

        Args:
            error: Why the run failed; None if it succeeded.
            remove_staged: Folders of staged data that nobody needs after a success.
        """


class KedroClient(dg.ConfigurableResource[Any]):
    """Starts workers in one kind of place. Subclasses are configured as Dagster resources."""

    def overridable(self) -> frozenset[str]:
        """Return the names of the `WorkerOverrides` that this client acts on.

        A run or a group that sets another one is refused before anything is started.
        """
        return frozenset()

    @abstractmethod
    def launch(self, launch: WorkerLaunch) -> AbstractContextManager[Worker]:
        """Start one worker; on leaving, everything that belongs to it is gone.

        Raises:
            WorkerNotStartedError: It could not be started.
        """

    def how_to_start(self) -> Start:
        """Return whether a conductor starts workers; only those that have `conduct` may."""
        return "cold"

    def why_cold(self) -> str | None:
        """Return why workers are started cold although that is not asked for."""
        return None

    def conduct(self, launch: WorkerLaunch) -> AbstractContextManager[Conductor]:
        """Start a conductor; on leaving, everything that belongs to it is gone.

        Raises:
            WorkerNotStartedError: It could not be started.
        """
        raise NotImplementedError(f"{type(self).__name__} has no conductors: {launch.group}.")
