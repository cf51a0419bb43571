"""Fire the hooks that tell of a run as a whole: each once in a run, in a worker of its own.

A run may be many workers in many steps. The first step that starts a worker has
`before_pipeline_run` fired, the last one that ends `after_pipeline_run`, the first one that fails
for good `on_pipeline_error`. Knows when, and not what the workers are told besides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import dagster as dg
from kedro_manifest.invocation import RunBegins, RunEnds, RunError
from kedro_manifest.model import HookImplementation

from dagster_kedro.errors import (
    GroupFailedError,
    NodeFailedError,
    RunHookFailedError,
    WorkerExitedError,
    WorkerTimedOutError,
)
from dagster_kedro.running.other_steps import OtherSteps
from dagster_kedro.running.run_marks import RunMarks

BEFORE, AFTER, ON_ERROR = "before_pipeline_run", "after_pipeline_run", "on_pipeline_error"
_POLL_S = 0.5

Fire = Callable[[str, RunBegins | RunEnds], None]
"""Runs the worker that fires a hook, to its end; raises `GroupFailedError`."""


class RunHooks:
    """The run-scoped hooks of a run, as one of its steps sees them.

    Args:
        context: The step's.
        implemented: What fires once.
        others: The run's other steps.
        fire: Fires one.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        implemented: Iterable[HookImplementation],
        others: OtherSteps,
        fire: Fire,
    ) -> None:
        self._context = context
        self._hooks = {hook for each in implemented for hook in each.hooks}
        self._others = others
        self._fire = fire
        self._marks = RunMarks(context, is_alone=not others.has_any)
        self._are_left_to_the_worker = False

    def leave_to_the_worker(self) -> None:
        """Fire nothing but what the one worker of the run can not, because it was ended."""
        self._are_left_to_the_worker = True

    def begin(self) -> None:
        """Have `before_pipeline_run` fired, or wait until another step has.

        Raises:
            GroupFailedError: The hook failed, so that no node may run.
        """
        if BEFORE not in self._hooks or self._are_left_to_the_worker:
            return
        while not self._marks.is_done(BEFORE):
            holder = self._marks.claim(BEFORE)
            if holder == self._marks.step:
                self._fire_or_explain(BEFORE, RunBegins())
                self._marks.finish(BEFORE)
            elif self._marks.has_failed(holder):
                raise RunHookFailedError(
                    f"Nothing is run: hook `{BEFORE}` was to be fired by step '{holder}', which "
                    "has failed."
                )
            else:
                time.sleep(_POLL_S)

    def succeed(self) -> bool:
        """Have `after_pipeline_run` fired, unless another step is to do that.

        Returns:
            False if another step is: what the run has staged may still be loaded there.

        Raises:
            GroupFailedError: The hook failed.
        """
        if AFTER not in self._hooks or self._are_left_to_the_worker:
            return True
        if self._others.has_any and not self._others.are_done():
            return False
        if not self._is_ours(AFTER):
            return False
        self._fire_or_explain(AFTER, RunEnds())
        self._marks.finish(AFTER)
        return True

    def fail(self, error: BaseException) -> None:
        """Have `on_pipeline_error` fired for the first failure of the run that is final.

        A hook that fails as well is logged: the run's own failure is the one to be told.
        """
        if ON_ERROR not in self._hooks or will_be_tried_again(self._context):
            return
        if self._are_left_to_the_worker and not was_ended_from_outside(error):
            return
        if not self._is_ours(ON_ERROR):
            return
        try:
            self._fire_or_explain(ON_ERROR, RunEnds(error=run_error(error)))
        except GroupFailedError as failed:
            self._context.log.log("ERROR", str(failed))
        else:
            self._marks.finish(ON_ERROR)

    def _is_ours(self, hook: str) -> bool:
        return not self._marks.is_done(hook) and self._marks.claim(hook) == self._marks.step

    def _fire_or_explain(self, hook: str, about: RunBegins | RunEnds) -> None:
        try:
            self._fire(hook, about)
        except GroupFailedError as error:
            state = (
                ""
                if hook == BEFORE
                else f" What `{BEFORE}` keeps in its object is not there: that was another process."
            )
            raise RunHookFailedError(
                f"Cannot fire hook `{hook}` for the run: {error}\n\nIt fires once for the run, in a "
                f"process of its own.{state} To have it fired in every worker, where node hooks "
                "are, name its plugin or class in dagster.yml: `run_hooks: {NAME: per_process}`."
            ) from error


def will_be_tried_again(context: dg.AssetExecutionContext) -> bool:
    """Tell whether Dagster will try the step again, should it fail now."""
    step = context.get_step_execution_context()
    policy = step.op_retry_policy
    if policy is None or step.retry_mode.disabled:
        return False
    return bool(context.retry_number < policy.max_retries)


def was_ended_from_outside(error: BaseException) -> bool:
    """Tell whether a worker was ended from outside, so that its session fired no hook at its end."""
    return isinstance(error, WorkerExitedError | WorkerTimedOutError)


def run_error(error: BaseException) -> RunError:
    """Return a failure of a run as hooks are told of it: the node's own error, where it is one."""
    if isinstance(error, NodeFailedError) and error.failure is not None:
        failure = error.failure
        module = f"{failure.error_module}." if failure.error_module else ""
        return RunError(
            type=f"{module}{failure.error_type}",
            message=failure.message,
            traceback=failure.traceback,
        )
    return RunError(type=type(error).__name__, message=str(error))
