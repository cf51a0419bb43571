"""One run of a selection: plan it, run its groups through a client, stream what they report."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

import dagster as dg
import msgspec
from kedro_manifest.findings import count, list_names
from kedro_manifest.invocation import Invocation, RunBegins, RunEnds
from kedro_manifest.orchestration.root import orchestration_of
from kedro_manifest.planning.plan import Plan, plan_groups
from kedro_manifest.planning.selection import needed_nodes, nodes_with_missing_outputs
from kedro_manifest.settings.hooks import fired_once

from dagster_kedro.assets.index import AssetIndex
from dagster_kedro.clients.base import KedroClient, WorkerLaunch
from dagster_kedro.configuration.run_configuration import (
    lost_settings,
    merged,
    with_settings_of_job,
)
from dagster_kedro.configuration.settings import RunSettings
from dagster_kedro.errors import GroupFailedError, RunFailedError
from dagster_kedro.results.data_versions import as_it_was
from dagster_kedro.results.expected import expected_of
from dagster_kedro.results.group_results import GroupResults
from dagster_kedro.results.saved_partitions import PartitionedOutput
from dagster_kedro.running.asset_checks import StepChecks
from dagster_kedro.running.attempts import finished_before, latest_materialization, yield_again
from dagster_kedro.running.conducting import StepConductor
from dagster_kedro.running.group_runner import GroupRunner
from dagster_kedro.running.invocations import Invocations
from dagster_kedro.running.launches import worker_launch
from dagster_kedro.running.mlflow_run import MlflowRunOfStep, has_kedro_mlflow
from dagster_kedro.running.ordering import in_dependency_order
from dagster_kedro.running.other_steps import OtherSteps
from dagster_kedro.running.run_hooks import RunHooks, will_be_tried_again
from dagster_kedro.running.scheduling import GroupScheduler
from dagster_kedro.running.slices import (
    partitioned_outputs,
    slice_of_run,
    span,
    with_slice,
)
from dagster_kedro.running.tag_limits import limits_of
from dagster_kedro.running.telling import OnEvent, StepTeller
from dagster_kedro.running.workers import Workers

ALREADY_THERE = "kedro/already_there"
"""Metadata of an asset that was not made, because its data existed and only what is missing
was wanted."""

_MLFLOW_END_S = 60.0
"""A canceled run waits for this, and what cancels it may not wait longer."""


class KedroRun:
    """The selected assets of one step, ready to be run."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        index: AssetIndex,
        client: KedroClient,
        settings: RunSettings,
        on_event: OnEvent | None = None,
    ) -> None:
        self._context = context
        self._index = index
        self._orchestration = orchestration_of(index.manifest)
        self._teller = StepTeller(
            context, dataset_events=self._orchestration.logs.datasets, on_event=on_event
        )
        settings = with_settings_of_job(settings, context.run, index, self._orchestration)
        self._slice = slice_of_run(context, index)
        parameters = with_slice(settings.parameters, self._slice)
        parameters = merged(index.manifest.given_parameters, parameters)
        self._settings = msgspec.structs.replace(settings, parameters=parameters)
        self._workers = Workers(self._orchestration, index.graph, client, settings)
        self._checks = StepChecks(context, index)
        self._finished = finished_before(
            context, self._partitions_of, optional=self._checks.on_loading
        )
        self._others = OtherSteps(context, index, self._slice)
        hooks_once = fired_once(index.manifest, self._orchestration)
        self._hooks = RunHooks(context, hooks_once, self._others, self._fire_hook)
        self._mlflow = MlflowRunOfStep(
            context, self._others, is_expected=has_kedro_mlflow(index.manifest)
        )
        wanted = [index.by_key[key] for key in context.selected_asset_keys - self._finished.keys()]
        self._selected = {asset.name for asset in wanted}
        # A check may be selected without its asset: what is stored is loaded for it, and where that
        # will not do, the asset's node has to run.
        self._of_stored = self._checks.of_stored(context.selected_asset_keys)
        checked = {key.asset_key for key in self._checks.selected} - context.selected_asset_keys
        checked -= {check.key.asset_key for check in self._of_stored}
        wanted += [index.by_key[key] for key in checked]
        needed = needed_nodes(
            index.graph,
            datasets=[asset.name for asset in wanted if not asset.is_node],
            nodes=[asset.name for asset in wanted if asset.is_node],
            available={
                *self._others.staged(),
                *(
                    index.by_key[key].name
                    for key, asset in self._finished.items()
                    if asset.staged_at is not None
                ),
            },
        )
        self._there: set[dg.AssetKey] = set()
        """Selected assets that exist already, where only missing ones are wanted."""
        self._make_plan(needed)

    def _make_plan(self, nodes: set[str]) -> None:
        policy = self._orchestration.group_policy()
        self.plan: Plan = plan_groups(self._index.graph, nodes, policy)
        self._invocations = Invocations(
            self._context,
            self._index,
            settings=self._settings,
            orchestration=self._orchestration,
            selected=self._selected,
            finished=self._finished,
            plan=self.plan,
            others=self._others,
            run_slice=self._slice,
        )
        self._runner = GroupRunner(
            self._context,
            self._index,
            workers=self._workers,
            invocations=self._invocations,
            checks=self._checks,
            mlflow=self._mlflow,
            selected=self._selected,
            finished=self._finished,
            run_slice=self._slice,
        )

    def _partitions_of(self, key: dg.AssetKey) -> Sequence[str | None]:
        return self._slice.keys_of(self._index, key)

    def stream(self) -> Iterator[Any]:
        """Run everything; yield materializations while the groups run.

        Yields:
            `MaterializeResult` for each selected asset, `AssetMaterialization` for what had
            to be made besides, check results.

        Raises:
            GroupFailedError: One group failed.
            RunFailedError: Several did. Whatever was yielded before stays materialized.
            OrchestrationError: A client cannot be made, or has no use for a setting.
        """
        with closing(self._workers):
            try:
                yield from self._stream()
            except BaseException as error:
                self._end_mlflow_run(error)
                raise
            self._end_mlflow_run(None)

    def _stream(self) -> Iterator[Any]:
        self._workers.prepare(self.plan.groups)
        if self._settings.only_missing_outputs:
            self._leave_out_existing()
        self._context.log.info(self._summary())
        if lost := lost_settings(self._context.run, self._index, self._orchestration):
            self._context.log.warning(
                f"This run's configuration takes the place of its job's, so that dagster.yml: "
                f"{list_names(lost)} does not count. To keep it, give it to the run as well; the "
                "Launchpad starts from it."
            )
        for warning in self.plan.warnings:
            self._context.log.warning(warning)
        yield from self._kept_results()
        yield from self._check_stored()
        limits = limits_of(self.plan, self._index.graph, self._orchestration.concurrency.tags)
        conductor = self._conductor()
        queue = None if conductor is None else conductor.queue
        scheduler = GroupScheduler(self.plan, self._max_concurrent(), limits, queue)
        if conductor is not None:
            conductor.begin()
        elif self._is_one_worker():
            self._hooks.leave_to_the_worker()
            self._invocations.leave_run_hooks_to_the_worker()
        elif self.plan.groups:
            self._hooks.begin()
        self._mlflow.begin()
        reported = self._mlflow.announcing(scheduler.outcomes(self._runner.run))
        with closing(self._teller.told(reported, self.plan.nodes)) as outcomes:
            yield from self._in_order(outcomes) if self._there else outcomes
        self._raise_failures(scheduler, self._hooks if conductor is None else conductor)
        has_ended = bool(self.plan.groups) or self._others.has_any
        if conductor is not None:
            conductor.succeed(remove_staged=self._invocations.staging_folders)
        elif not has_ended or self._hooks.succeed():
            self._remove_staged()

    def _conductor(self) -> StepConductor | None:
        """Return what starts the workers of this step, where one session holds the whole run."""
        for reason in self._workers.why_cold(self.plan.groups):
            self._context.log.info(f"Workers are started cold: {reason}.")
        chosen = self._workers.chosen_for_conductor(self.plan.groups)
        if chosen is None:
            return None
        if self._others.has_any:
            if chosen.is_wanted:
                self._context.log.info(
                    "Workers are started cold: this step is one of several of its run, and a "
                    "conductor holds one session for a whole run."
                )
            return None
        if not chosen.is_wanted and len(self.plan.groups) == 1:
            return None
        self._invocations.stage_results()
        has_hooks = bool(self._invocations.hooks_once)
        nodes = (
            self.plan.nodes
            if has_hooks
            else [
                node
                for group in self.plan.groups
                if group.name in chosen.names
                for node in group.nodes
            ]
        )
        return self._workers.conduct(
            self._context,
            chosen,
            lambda: self._launch(self._invocations.conducting(nodes)),
            self._teller.tell,
            has_hooks=has_hooks,
        )

    def _leave_out_existing(self) -> None:
        """Ask a worker which outputs exist; plan again without the nodes that need not run."""
        invocation = self._invocations.looking_for_outputs(self.plan)
        results = GroupResults(expected_of(invocation))
        self._workers.run_besides(self._launch(invocation), results)
        graph, by_key = self._index.graph, self._index.by_key
        partitioned = self._partitioned_outputs(results.found)
        whole = {
            name
            for name in results.found
            if name not in partitioned
            or partitioned[name].wanted.keys() <= set(results.found_partitions.get(name, []))
        }
        running = nodes_with_missing_outputs(graph, set(self.plan.nodes), whole)
        self._there = {
            key
            for key in self._context.selected_asset_keys - self._finished.keys()
            if (node := by_key[key].node) is not None and node.name not in running
        }
        self._make_plan(running)
        self._workers.prepare(self.plan.groups)

    def _check_stored(self) -> Iterator[Any]:
        """Have a worker load and check what is stored, where no node has to run for it."""
        if not self._of_stored:
            return
        invocation = self._invocations.checking_stored(self._of_stored)
        selected = {check.key: check.blocking for check in self._of_stored}
        partitions = self._checks.partitions_of(self._of_stored, self._partitions_of)
        results = GroupResults(expected_of(invocation, selected, partitions_checked=partitions))
        reported = self._workers.outcomes_besides(self._launch(invocation), results)
        yield from self._teller.told(reported)

    def _in_order(self, outcomes: Iterator[Any]) -> Iterator[Any]:
        """Tell Dagster of what is there as well, or it would skip what depends on it."""
        selected = self._context.selected_asset_keys - self._finished.keys()
        there: dict[dg.AssetKey, dg.MaterializeResult[Any]] = {
            key: dg.MaterializeResult(
                asset_key=key,
                metadata={ALREADY_THERE: True},
                **as_it_was(latest_materialization(self._context, key, self._partitions_of(key))),
            )
            for key in self._index.by_key
            if key in self._there
        }
        dependencies = {
            key: {dep.asset_key for dep in self._index.specs[key].deps} & selected
            for key in selected
        }
        return in_dependency_order(outcomes, there, dependencies, self._partitions_of)

    def _summary(self) -> str:
        kept = f"; kept: {count(len(self._finished), 'asset')}" if self._finished else ""
        kept += (
            f"; {count(len(self._of_stored), 'check')} of what is stored" if self._of_stored else ""
        )
        keys = self._slice.keys
        sliced = f" of partition '{span(keys)}'" if keys else ""
        return (
            f"Kedro run {self._invocations.kedro_run_id}{sliced}: "
            f"{count(len(self.plan.nodes), 'node')} in {count(len(self.plan.groups), 'group')}, "
            f"at most {self._max_concurrent()} at a time{kept}."
        )

    def _max_concurrent(self) -> int:
        """Return how many workers run at a time: as the run says, else `dagster.yml`."""
        of_run, of_all = self._settings.max_concurrent, self._orchestration.concurrency
        wanted = of_all.max_concurrent if of_run is None else of_run
        return wanted or os.cpu_count() or 1

    def _kept_results(self) -> Iterator[dg.MaterializeResult[Any]]:
        """Tell Dagster of what a run that this one resumes has made, in topological order."""
        for key in self._index.by_key:
            finished = self._finished.get(key)
            if finished is not None and not finished.in_this_run:
                yield yield_again(key, finished)

    def _raise_failures(self, scheduler: GroupScheduler, hooks: RunHooks | StepConductor) -> None:
        if not scheduler.failures:
            return
        skipped = [node for group in scheduler.not_started for node in group.nodes]
        if skipped:
            self._context.log.error(f"Not run because of the failure: {', '.join(skipped)}.")
        errors = [failure.error for failure in scheduler.failures]
        hooks.fail(errors[0])
        if len(errors) == 1:
            raise errors[0]
        listed = "\n\n".join(f"{type(error).__name__}: {error}" for error in errors)
        raise RunFailedError(f"{len(errors)} groups failed.\n\n{listed}") from errors[0]

    def _remove_staged(self) -> None:
        """After success nobody needs what crossed between the groups; a failure keeps it."""
        invocation = self._invocations.removing_staged()
        if invocation is None or (self._others.has_any and not self._others.are_done()):
            return
        try:
            results = GroupResults(expected_of(invocation))
            self._workers.run_besides(self._launch(invocation), results)
        except GroupFailedError as error:
            # The work is done and saved; what is left behind costs room only.
            self._context.log.warning(f"Staged data was not removed: {error}")

    def _is_one_worker(self) -> bool:
        """Tell whether one worker, tried once, is the whole run: it does all that `kedro run` does."""
        if len(self.plan.groups) != 1 or self._others.has_any:
            return False
        tries = (
            self._context.retry_number + self._workers.retries_of(self.plan.groups[0]).max_retries
        )
        return not tries and not will_be_tried_again(self._context)

    def _fire_hook(self, hook: str, about: RunBegins | RunEnds) -> None:
        nodes = self._others.nodes_of_run(self.plan)
        invocation = self._invocations.firing(hook, nodes, about)
        expected = msgspec.structs.replace(expected_of(invocation), name=f"hook `{hook}`")
        self._workers.run_besides(
            self._launch(invocation), GroupResults(expected), self._teller.tell
        )

    def _end_mlflow_run(self, error: BaseException | None) -> None:
        """Let a worker end the MLflow run, if this step is the one that ends it."""
        end = self._mlflow.ending(error, [group.name for group in self.plan.groups])
        if end is None:
            return
        invocation = self._invocations.ending_mlflow(self._mlflow.as_known(), end)
        try:
            results = GroupResults(expected_of(invocation))
            self._workers.run_besides(self._launch(invocation), results, timeout_s=_MLFLOW_END_S)
        except GroupFailedError as failed:
            # What this run has made is there whatever MLflow says of it.
            self._context.log.warning(f"The MLflow run was not ended: {failed}")

    def _launch(self, invocation: Invocation) -> WorkerLaunch:
        return worker_launch(self._context, self._index.project, invocation, ())

    def _partitioned_outputs(self, datasets: Iterable[str]) -> dict[str, PartitionedOutput]:
        instance = self._context.instance
        return partitioned_outputs(self._index, datasets, self._slice, instance)
