"""The MLflow run that stands for a run of Dagster, as one of its steps sees it.

Workers make it and log to runs nested in it; this sees to it that only one of them makes it, and
knows when and how it ends. Knows nothing of MLflow itself, which is not needed on Dagster's side.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterable
from contextlib import closing
from typing import Literal, TypeVar

import dagster as dg
from kedro_manifest.events import MlflowRunStarted
from kedro_manifest.invocation import MlflowEnd, MlflowRun
from kedro_manifest.model import Manifest
from kedro_manifest.orchestration.hooks import MLFLOW_PLUGIN, names_hook

from dagster_kedro.running.other_steps import OtherSteps
from dagster_kedro.running.run_marks import RunMarks

_MAKING = "make the MLflow run"
_WAIT_S = 0.05
_POLL_S = 0.5
_SHORT_ID = 8
_ASSET_JOB = "__ASSET_JOB"

Outcome = TypeVar("Outcome")


def has_kedro_mlflow(manifest: Manifest) -> bool:
    """Tell whether the project's sessions register kedro-mlflow, as far as the export has seen."""
    return any(names_hook(MLFLOW_PLUGIN, each.name) for each in manifest.hooks)


class MlflowRunOfStep:
    """Follows the MLflow run of one step.

    Args:
        context: The step's.
        others: The run's other steps, which share it.
        is_expected: Whether the project has kedro-mlflow.
    """

    def __init__(
        self, context: dg.AssetExecutionContext, others: OtherSteps, *, is_expected: bool
    ) -> None:
        self._context = context
        self._others = others
        self._is_expected = is_expected
        self._marks = RunMarks(context, is_alone=not others.has_any)
        self._is_maker = is_expected and not others.has_any
        self._run_id: str | None = None
        self._first = threading.Lock()
        self._settled = threading.Event()
        self._has_begun = False
        if not is_expected:
            self._settled.set()

    def begin(self) -> None:
        """Wait until another step has had the run made, if one has claimed to."""
        if not self._is_expected or not self._others.has_any:
            return
        while not self._marks.is_done(_MAKING):
            holder = self._marks.claim(_MAKING)
            self._is_maker = holder == self._marks.step
            if self._is_maker or self._marks.has_failed(holder):
                return
            time.sleep(_POLL_S)

    def announcing(
        self, outcomes: Generator[Outcome, None, None]
    ) -> Generator[Outcome, None, None]:
        """Yield some outcomes; tell the other steps as soon as the run is made, or will not be."""
        must_tell = self._is_maker and self._others.has_any
        with closing(outcomes):
            try:
                for outcome in outcomes:
                    if must_tell and self._settled.is_set():
                        self._marks.finish(_MAKING)
                        must_tell = False
                    yield outcome
            finally:
                if must_tell:
                    self._marks.finish(_MAKING)

    def wait_for_turn(self, stop: threading.Event) -> None:
        """Let one worker begin alone, so that no two make the run; return at once to all others.

        Args:
            stop: Ends the waiting.
        """
        self._has_begun = True
        if self._first.acquire(blocking=False):
            return
        while not (self._settled.is_set() or stop.wait(_WAIT_S)):
            pass

    def take(self, started: MlflowRunStarted | None) -> None:
        """Take what the first worker has told, or that it has told all it will."""
        if started is not None and self._run_id is None:
            self._run_id = started.parent_run_id
        self._settled.set()

    def as_known(self) -> MlflowRun:
        """Return what a worker has to know of the run."""
        run = self._context.run
        root = run.root_run_id or run.run_id
        return MlflowRun(
            root_run_id=root,
            name=f"run {root[:_SHORT_ID]}" if run.job_name == _ASSET_JOB else run.job_name,
            run_id=self._run_id,
            is_contended=self._settled.is_set() or not self._is_maker,
        )

    def ending(self, error: BaseException | None, groups: Iterable[str]) -> MlflowEnd | None:
        """Return how the run ends now that the step does; None if there is nothing to be done.

        Args:
            error: What ended the step; None if it succeeded.
            groups: The step's groups.
        """
        if not (self._is_expected or self._run_id) or not self._may_be_there():
            return None
        if error is not None:
            status: Literal["FAILED", "KILLED"]
            status = "KILLED" if self._is_canceled(error) else "FAILED"
            mine = list(groups) if self._others.has_any else None
            return MlflowEnd(status=status, unfinished=status, groups=mine)
        if not self._others.has_any or self._others.are_done():
            return MlflowEnd(status="FINISHED", unfinished="FAILED")
        if self._has_failed_step():
            return MlflowEnd(status="FAILED", unfinished="FAILED", groups=list(groups))
        return None

    def _may_be_there(self) -> bool:
        """Tell whether a worker of this step, another step or an earlier try may have made it."""
        context = self._context
        earlier = context.run.root_run_id is not None or context.retry_number > 0
        return self._has_begun or self._others.has_any or earlier

    def _is_canceled(self, error: BaseException) -> bool:
        canceled = {dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED}
        run = self._context.instance.get_run_by_id(self._context.run_id)
        # An interrupt is no `Exception`; neither is what closes an iterator that nobody reads on.
        interrupted = not isinstance(error, (Exception, GeneratorExit))
        return interrupted or (run is not None and run.status in canceled)

    def _has_failed_step(self) -> bool:
        """Tell whether another step has failed: none that follows will end the run then."""
        kind = dg.DagsterEventType.STEP_FAILURE
        return bool(self._context.instance.all_logs(self._context.run_id, of_type=kind))
