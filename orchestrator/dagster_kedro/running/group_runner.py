"""One group of a step, attempt by attempt, until it has succeeded or will not.

Knows what a group's workers are asked to do and what they have to report, not when the group runs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import dagster as dg
import msgspec
from kedro_manifest.planning.graph import outputs_of
from kedro_manifest.planning.plan import Group

from dagster_kedro.assets.index import AssetIndex
from dagster_kedro.errors import GroupFailedError
from dagster_kedro.results.expected import expected_of
from dagster_kedro.results.group_results import GroupResults, Outcome
from dagster_kedro.results.wording import LogLine, describe_attempt, describe_failed_attempt
from dagster_kedro.running.asset_checks import StepChecks
from dagster_kedro.running.attempts import Finished
from dagster_kedro.running.group_progress import GroupProgress
from dagster_kedro.running.invocations import Invocations
from dagster_kedro.running.launches import worker_launch
from dagster_kedro.running.mlflow_run import MlflowRunOfStep
from dagster_kedro.running.retrying import run_attempts
from dagster_kedro.running.slices import RunSlice, partitioned_outputs
from dagster_kedro.running.telling import WorkerGone
from dagster_kedro.running.workers import Workers

Emit = Callable[[Outcome | WorkerGone], None]


class GroupRunner:
    """Runs groups of one step.

    Args:
        context: The step's.
        index: Of the project's assets.
        workers: How workers are started.
        invocations: What they are asked to do.
        checks: The step's asset checks.
        mlflow: The MLflow run that they are part of.
        selected: Names of the datasets and nodes that the step is to make.
        finished: What an earlier attempt at the step has made.
        run_slice: The partitions that the run makes.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        index: AssetIndex,
        *,
        workers: Workers,
        invocations: Invocations,
        checks: StepChecks,
        mlflow: MlflowRunOfStep,
        selected: set[str],
        finished: Mapping[dg.AssetKey, Finished],
        run_slice: RunSlice,
    ) -> None:
        self._context = context
        self._index = index
        self._workers = workers
        self._invocations = invocations
        self._checks = checks
        self._mlflow = mlflow
        self._selected = selected
        self._finished = finished
        self._slice = run_slice

    def run(self, group: Group, emit: Emit, stop: threading.Event) -> None:
        """Run a group, as often as its retries say.

        Args:
            group: What is planned.
            emit: Takes what it reports, and `WorkerGone` after each worker.
            stop: Ends it when it is set.

        Raises:
            GroupFailedError: Its last attempt has failed.
        """
        progress = GroupProgress(
            self._index, group, self._checks.expected_of(group, self._finished)
        )
        retries = self._workers.retries_of(group)
        most = 1 + retries.max_retries

        self._mlflow.wait_for_turn(stop)

        def attempt(number: int) -> None:
            part = progress.left(self._invocations.staged) if number > 1 else group
            if number > 1:
                emit(LogLine(describe_attempt(part, number, most)))
            again = number < most and "check" in retries.on
            self._attempt(part, number, progress, emit, stop, tries_checks_again=again)

        def announce(number: int, error: GroupFailedError, wait_s: float) -> None:
            emit(LogLine(describe_failed_attempt(group, number, most, error, wait_s), "warning"))

        run_attempts(
            attempt,
            retries,
            is_final=lambda _: progress.is_blocked,
            announce=announce,
            stop=stop,
        )

    def _attempt(
        self,
        group: Group,
        number: int,
        progress: GroupProgress,
        emit: Emit,
        stop: threading.Event,
        *,
        tries_checks_again: bool,
    ) -> None:
        """Run what is left of a group, and account for it."""
        reported = progress.reported
        checks = self._checks.known_to(group)
        invocation = msgspec.structs.replace(
            self._invocations.of_group(group, number, reported, checks),
            mlflow=self._mlflow.as_known(),
        )
        besides = self._saved_besides(group, self._selected - reported)
        expected = expected_of(
            invocation,
            progress.checks_left,
            besides=besides,
            besides_of={key: self._partitions_of(key) for key in besides.values()},
            partitioned=partitioned_outputs(
                self._index, self._outputs_of(group), self._slice, self._context.instance
            ),
            attempt=number,
            checked_before=progress.checked,
            known_checks={check.key: check.blocking for check in checks},
            partitions_checked=self._checks.partitions_of(checks, self._partitions_of),
            tries_checks_again=tries_checks_again,
        )
        results = GroupResults(expected)

        def take(outcome: Outcome) -> None:
            if results.has_begun:
                self._mlflow.take(results.mlflow_run)
            emit(outcome)

        try:
            launch = worker_launch(
                self._context, self._index.project, invocation, progress.keys_of(group)
            )
            self._workers.run_group(group, launch, results, take, stop)
        finally:
            self._mlflow.take(results.mlflow_run)
            # One thread writes here before any thread that reads it is started.
            self._invocations.take_versions(results.versions)
            self._invocations.take_validated(self._checks.validated_by(group, results.passed))
            progress.take(expected, results)
            emit(WorkerGone(group.nodes))

    def _saved_besides(self, group: Group, wanted: set[str]) -> dict[str, dg.AssetKey]:
        """Datasets that the group's nodes save on the way; memory is gone when they end."""
        return {
            name: self._index.key_of_dataset[name]
            for name in self._outputs_of(group)
            if name not in wanted and not self._index.graph.is_memory(name)
        }

    def _outputs_of(self, group: Group) -> list[str]:
        graph = self._index.graph
        return [name for node in group.nodes for name in outputs_of(graph.nodes[node])]

    def _partitions_of(self, key: dg.AssetKey) -> Sequence[str | None]:
        return self._slice.keys_of(self._index, key)
