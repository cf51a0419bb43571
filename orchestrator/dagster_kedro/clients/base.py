"""What every client offers: start one worker, hand on its message lines, say how it ended.

A client moves bytes and ends processes. It knows nothing of nodes, assets or results.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import dagster as dg
import msgspec


class WorkerLaunch(msgspec.Struct, frozen=True, kw_only=True):
    """What a client needs to know to start one worker."""

    group: str
    """Name of the group, for names and labels of what is started."""
    context_data: dict[str, Any]
    """The Pipes context, ready to be written as JSON."""
    project_dir: Path
    python: Path | None
    """The project's own interpreter, where it is on this machine."""
    command: list[str] | None = None
    """What to start instead of our worker: any program that speaks Dagster Pipes."""


class WorkerExit(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker ended."""

    code: int | None = None
    """Exit code; None when a signal ended it."""
    signal: int | None = None
    stopped: bool = False
    """True when the client ended it on request."""
    out_of_memory: bool = False
    """True when the kernel or the container engine ended it for want of memory."""
    peak_memory_bytes: int | None = None
    """Largest resident size of the process, where it can be had."""

    @property
    def is_clean(self) -> bool:
        """True for exit code 0."""
        return self.code == 0


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

    def last_output(self) -> list[str]:
        """Return the last lines that it wrote to its output streams."""

    def stop(self) -> None:
        """End it and everything that it started: politely, then by force. Bounded in time."""


class KedroClient(dg.ConfigurableResource[Any]):
    """Starts workers in one kind of place. Subclasses are configured as Dagster resources."""

    @abstractmethod
    def launch(self, launch: WorkerLaunch) -> AbstractContextManager[Worker]:
        """Start one worker; on leaving, everything that belongs to it is gone.

        Raises:
            WorkerNotStartedError: It could not be started.
        """
