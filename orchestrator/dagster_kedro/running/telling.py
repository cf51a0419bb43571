"""What a step does with outcomes: log lines go to the run's log, the rest on to Dagster.

Each event that is told carries its fields as extra fields of the log record, for loggers and
handlers that read them, and goes to the user's callback. All of it happens in the step's own
thread, in order. Starts nothing.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from typing import Any

import dagster as dg
import msgspec
from kedro_manifest.events import (
    AnyEvent,
    DatasetEvent,
    DatasetLoaded,
    DatasetSaved,
    NodeFailed,
    NodeFinished,
    NodeStarted,
)
from kedro_manifest.orchestration.logs import DatasetsTold

from dagster_kedro.results.wording import LogLine

EVENT_EXTRA = "kedro_event"
"""Extra field of a log record: the event, `event` being its kind."""
PROGRESS_EXTRA = "kedro_progress"
"""Extra field of the record that tells of a finished node: how far the step is."""
_SLOW_S = 1.0


class StepProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a step is: follows each `NodeFinished` and `NodeFailed`."""

    finished: int
    total: int
    """Nodes that the step runs."""
    running: int
    failed: int = 0

    def __str__(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.finished} of {self.total} nodes, {self.running} running{failed}"


KedroEvent = AnyEvent | StepProgress
OnEvent = Callable[[dg.AssetExecutionContext, KedroEvent], None]
"""Is told of each event, in the step's own thread."""


class WorkerGone(msgspec.Struct, frozen=True):
    """A worker has ended, however: none of its nodes is running any more."""

    nodes: list[str]


class StepTeller:
    """Tells what happens in a step.

    Args:
        context: The step's.
        dataset_events: At which level loading and saving is told, `slow` for what took long, or
            `none`; the callback is told anyway.
        on_event: The user's callback.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        *,
        dataset_events: DatasetsTold = "slow",
        on_event: OnEvent | None = None,
    ) -> None:
        self._context = context
        self._dataset_events = dataset_events
        self._on_event = on_event
        self._errors = 0
        self._total: set[str] = set()
        self._running: set[str] = set()
        self._finished: set[str] = set()
        self._failed: set[str] = set()

    def told(
        self, outcomes: Generator[Any, None, None], nodes: Iterable[str] = ()
    ) -> Generator[Any, None, None]:
        """Tell what is to be told among some outcomes; yield the rest.

        Whatever ends this, an interrupt in the middle of a line too, closes the outcomes.

        Args:
            outcomes: What workers report.
            nodes: Names of those that they run.
        """
        self._total.update(nodes)
        with closing(outcomes):
            for outcome in outcomes:
                if not self.tell(outcome):
                    yield outcome
        if self._errors > 1:
            self._context.log.error(f"`on_event` has raised {self._errors} times in this step.")
            self._errors = 0

    def tell(self, outcome: Any) -> bool:
        """Tell an outcome, if it is to be told; return whether it was."""
        if isinstance(outcome, LogLine):
            self._tell_line(outcome)
        elif isinstance(outcome, WorkerGone):
            self._running.difference_update(outcome.nodes)
        else:
            return False
        return True

    def _tell_line(self, line: LogLine) -> None:
        if line.event is None:
            self._context.log.log(line.level.upper(), line.message)
            return
        progress = self._count(line.event)
        extra = {EVENT_EXTRA: msgspec.to_builtins(line.event)}
        message = line.message
        if progress is not None:
            extra[PROGRESS_EXTRA] = msgspec.to_builtins(progress)
        if isinstance(line.event, NodeFinished):
            message = f"{message} {progress}."
        level = self._level_of(line.event) if isinstance(line.event, DatasetEvent) else line.level
        if level != "none":
            self._context.log.log(level.upper(), message, extra=extra)
        self._call(line.event)
        if progress is not None:
            self._call(progress)

    def _level_of(self, event: DatasetEvent) -> str:
        if self._dataset_events != "slow":
            return self._dataset_events
        if isinstance(event, DatasetLoaded | DatasetSaved) and event.duration_s >= _SLOW_S:
            return "debug"
        return "none"

    def _count(self, event: AnyEvent) -> StepProgress | None:
        if isinstance(event, NodeStarted):
            self._running.add(event.node)
            self._failed.discard(event.node)
        if not isinstance(event, NodeFinished | NodeFailed):
            return None
        self._running.discard(event.node)
        (self._finished if isinstance(event, NodeFinished) else self._failed).add(event.node)
        return StepProgress(
            finished=len(self._finished),
            total=len(self._total | self._finished),
            running=len(self._running),
            failed=len(self._failed),
        )

    def _call(self, event: KedroEvent) -> None:
        """Tell the callback; what it raises is the log's affair, and no result's."""
        if self._on_event is None:
            return
        try:
            self._on_event(self._context, event)
        except Exception:  # noqa: BLE001 - the user's own code
            self._errors += 1
            if self._errors == 1:
                self._context.log.error(  # noqa: TRY400 - Dagster stores the text only
                    f"`on_event` raised, and is called on; the run is not touched by it. Event: "
                    f"{event}\n{traceback.format_exc()}"
                )
