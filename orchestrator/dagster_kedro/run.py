"""One run of a selection: plan it, run its groups through a client, stream what they report."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import dagster as dg
import msgspec
from dagster_pipes import PipesContextData
from kedro_manifest.graph import outputs_of
from kedro_manifest.invocation import Invocation, encode_invocation
from kedro_manifest.names import strip_transcoding
from kedro_manifest.planning import Group, Plan, plan_groups
from kedro_manifest.selection import needed_nodes

from dagster_kedro.attempts import Finished, finished_before, yield_again
from dagster_kedro.clients.base import KedroClient, WorkerLaunch
from dagster_kedro.errors import RunFailedError
from dagster_kedro.index import AssetIndex
from dagster_kedro.results import LogLine, Outcome, expected_of
from dagster_kedro.scheduling import GroupScheduler
from dagster_kedro.worker_session import run_worker


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is configured for all groups of a run."""

    env: str | None
    parameters: dict[str, Any]
    load_versions: dict[str, str]
    max_concurrent: int
    log_level: str


class KedroRun:
    """The selected assets of one step, ready to be run."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        index: AssetIndex,
        client: KedroClient,
        settings: RunSettings,
    ) -> None:
        self._context = context
        self._index = index
        self._client = client
        self._settings = settings
        self._kedro_run_id = kedro_run_id(context)
        self._checks = selected_checks(context)
        self._finished = finished_before(context)
        selected = context.selected_asset_keys
        self._datasets, self._nodes = _names_of(index, selected - self._finished.keys())
        self._versions = _versions(index, self._finished)
        """Version of each versioned dataset that this run or its earlier attempts saved."""
        self.plan: Plan = plan_groups(
            index.graph, needed_nodes(index.graph, self._datasets, self._nodes)
        )

    def stream(self) -> Iterator[Any]:
        """Run everything; yield materializations while the groups run.

        Yields:
            `MaterializeResult` for each selected asset, `AssetMaterialization` for what had
            to be made besides, check results.

        Raises:
            GroupFailedError: One group failed.
            RunFailedError: Several did. Whatever was yielded before stays materialized.
        """
        self._context.log.info(self._summary())
        yield from self._kept_results()
        scheduler = GroupScheduler(self.plan, self._settings.max_concurrent)
        yield from logged(self._context, scheduler.outcomes(self._run_group))
        self._raise_failures(scheduler)

    def _summary(self) -> str:
        kept = f"; {len(self._finished)} assets are kept" if self._finished else ""
        return (
            f"Kedro run {self._kedro_run_id}: {len(self.plan.nodes)} nodes in "
            f"{len(self.plan.groups)} groups, at most {self._settings.max_concurrent} at a time"
            f"{kept}."
        )

    def _kept_results(self) -> Iterator[dg.MaterializeResult[Any]]:
        """Tell Dagster of what a run that this one resumes has made, in topological order."""
        for key in self._index.by_key:
            finished = self._finished.get(key)
            if finished is not None and not finished.in_this_run:
                yield yield_again(key, finished)

    def _raise_failures(self, scheduler: GroupScheduler) -> None:
        if not scheduler.failures:
            return
        skipped = [node for group in scheduler.not_started for node in group.nodes]
        if skipped:
            self._context.log.error(f"Not run because of the failure: {', '.join(skipped)}.")
        errors = [failure.error for failure in scheduler.failures]
        if len(errors) == 1:
            raise errors[0]
        listed = "\n\n".join(f"{type(error).__name__}: {error}" for error in errors)
        raise RunFailedError(f"{len(errors)} groups failed.\n\n{listed}") from errors[0]

    def _run_group(
        self, group: Group, emit: Callable[[Outcome], None], stop: threading.Event
    ) -> None:
        invocation = self._invocation(group)
        keys = [*invocation.dataset_assets.values(), *invocation.node_assets.values()]
        launch = WorkerLaunch(
            group=group.name,
            context_data=pipes_context(self._context, keys, encode_invocation(invocation)),
            project_dir=self._index.project.project_dir,
            python=self._index.project.python,
        )
        expected = expected_of(invocation, self._checks, self._saved_besides(group))
        results = run_worker(self._client, launch, expected, emit, stop)
        # One thread writes here before any thread that reads it is started.
        self._versions.update(results.versions)

    def _invocation(self, group: Group) -> Invocation:
        index = self._index
        nodes = [index.graph.nodes[name] for name in group.nodes]
        made = {name for node in nodes for name in outputs_of(node)}
        return Invocation(
            group=group.name,
            nodes=group.nodes,
            pipelines=index.pipelines_holding(group.nodes),
            kedro_run_id=self._kedro_run_id,
            dagster_run_id=self._context.run_id,
            package_name=index.manifest.project.package_name,
            conf_source=index.project.conf_source,
            env=self._settings.env or index.project.env,
            runtime_params=self._settings.parameters,
            load_versions=self._load_versions(group, made),
            dataset_assets={
                name: index.key_of_dataset[name].to_escaped_user_string()
                for name in sorted(made & self._datasets)
            },
            node_assets={
                name: index.key_of_node[name].to_escaped_user_string()
                for name in group.nodes
                if name in self._nodes
            },
            log_level=self._settings.log_level,
        )

    def _saved_besides(self, group: Group) -> dict[str, dg.AssetKey]:
        """Datasets that the group's nodes save on the way; memory is gone when they end."""
        graph = self._index.graph
        made = (name for node in group.nodes for name in outputs_of(graph.nodes[node]))
        return {
            name: self._index.key_of_dataset[name]
            for name in made
            if name not in self._datasets and not graph.is_memory(name)
        }

    def _load_versions(self, group: Group, made: set[str]) -> dict[str, str]:
        """Pin what an earlier group of this run saved: unpinned, Kedro loads the latest."""
        pinned = {
            name: self._versions[stripped]
            for node in group.nodes
            for name in self._index.graph.nodes[node].inputs
            if (stripped := strip_transcoding(name)) in self._versions and stripped not in made
        }
        return {**pinned, **self._settings.load_versions}


def logged(context: dg.AssetExecutionContext, outcomes: Iterator[Outcome]) -> Iterator[Any]:
    """Write the log lines among some outcomes to the run's log; yield the rest."""
    for outcome in outcomes:
        if isinstance(outcome, LogLine):
            context.log.log(outcome.level.upper(), outcome.message)
        else:
            yield outcome


def pipes_context(
    context: dg.AssetExecutionContext, asset_keys: Sequence[str], extras: dict[str, Any]
) -> dict[str, Any]:
    """Return the Pipes context of one worker: of its own assets only, however large the step.

    Args:
        context: The step's.
        asset_keys: Escaped keys of the assets that the worker reports to.
        extras: What else the worker is told.
    """
    data = PipesContextData(
        asset_keys=asset_keys,
        code_version_by_asset_key=dict.fromkeys(asset_keys),
        provenance_by_asset_key=dict.fromkeys(asset_keys),
        partition_key=context.partition_key if context.has_partition_key else None,
        partition_key_range=None,
        partition_time_window=None,
        run_id=context.run_id,
        job_name=context.job_name,
        retry_number=context.retry_number,
        extras=extras,
    )
    return dict(data)


def selected_checks(context: dg.AssetExecutionContext) -> dict[dg.AssetCheckKey, bool]:
    """Return the selected checks of a step, and whether each blocks."""
    blocking = {spec.key: spec.blocking for spec in context.assets_def.check_specs}
    return {key: blocking[key] for key in context.selected_asset_check_keys}


def kedro_run_id(context: dg.AssetExecutionContext) -> str:
    """Return the Kedro run id of a step's attempt, in Kedro's timestamp format.

    It is the time at which Dagster created the run, so all steps share it, and a millisecond
    more for each retry, so that a retry never meets a version that is written already.
    """
    record = context.instance.get_run_record_by_id(context.run_id)
    created = record.create_timestamp if record else datetime.now(tz=timezone.utc)
    moment = created.astimezone(timezone.utc) + timedelta(milliseconds=context.retry_number)
    return f"{moment:%Y-%m-%dT%H.%M.%S}.{moment.microsecond // 1000:03d}Z"


def _names_of(index: AssetIndex, keys: set[dg.AssetKey]) -> tuple[set[str], set[str]]:
    """Return Kedro's names of some assets: datasets, and nodes without outputs."""
    assets = [index.by_key[key] for key in keys]
    datasets = {asset.name for asset in assets if not asset.is_node}
    return datasets, {asset.name for asset in assets if asset.is_node}


def _versions(index: AssetIndex, finished: dict[dg.AssetKey, Finished]) -> dict[str, str]:
    return {
        index.by_key[key].name: asset.version
        for key, asset in finished.items()
        if asset.version is not None
    }
