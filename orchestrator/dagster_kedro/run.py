"""One run of a selection: plan it, run its groups through a client, stream what they report."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import dagster as dg
import msgspec
from dagster_pipes import PipesContextData
from kedro_manifest.invocation import Invocation, encode_invocation
from kedro_manifest.names import strip_transcoding
from kedro_manifest.planning import Group, Plan, needed_nodes, outputs_of, plan_groups

from dagster_kedro.channel import MessageStream
from dagster_kedro.clients.base import KedroClient, Worker, WorkerExit, WorkerLaunch
from dagster_kedro.errors import RunFailedError
from dagster_kedro.index import AssetIndex
from dagster_kedro.results import GroupResults, LogLine, Outcome
from dagster_kedro.scheduling import GroupScheduler

_SHORTEST_WAIT_S = 0.005
_LONGEST_WAIT_S = 0.05


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
        assets = [index.by_key[key] for key in context.selected_asset_keys]
        self._datasets = {asset.name for asset in assets if not asset.is_node}
        self._nodes = {asset.name for asset in assets if asset.is_node}
        self._versions: dict[str, str] = {}
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
        log = self._context.log
        log.info(
            f"Kedro run {self._kedro_run_id}: {len(self.plan.nodes)} nodes in "
            f"{len(self.plan.groups)} groups, at most {self._settings.max_concurrent} at a time."
        )
        scheduler = GroupScheduler(self.plan, self._settings.max_concurrent)
        for outcome in scheduler.outcomes(self._run_group):
            if isinstance(outcome, LogLine):
                log.log(outcome.level.upper(), outcome.message)
            else:
                yield outcome
        self._raise_failures(scheduler)

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
        results = GroupResults(invocation)
        stream = MessageStream()
        launch = WorkerLaunch(
            group=group.name,
            context_data=dict(self._context_data(invocation)),
            project_dir=self._index.project.project_dir,
            python=self._index.project.python,
        )

        def take(lines: list[bytes]) -> None:
            for line in lines:
                for message in stream.feed(line):
                    for outcome in results.outcomes(message):
                        emit(outcome)

        with self._client.launch(launch) as worker:
            ended = _follow(worker, take, stop)
            results.judge(ended, stream.defects(), [] if ended.is_clean else worker.last_output())
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

    def _load_versions(self, group: Group, made: set[str]) -> dict[str, str]:
        """Pin what an earlier group of this run saved: unpinned, Kedro loads the latest."""
        pinned = {
            name: self._versions[stripped]
            for node in group.nodes
            for name in self._index.graph.nodes[node].inputs
            if (stripped := strip_transcoding(name)) in self._versions and stripped not in made
        }
        return {**pinned, **self._settings.load_versions}

    def _context_data(self, invocation: Invocation) -> PipesContextData:
        context = self._context
        keys = [*invocation.dataset_assets.values(), *invocation.node_assets.values()]
        return PipesContextData(
            asset_keys=keys,
            code_version_by_asset_key=dict.fromkeys(keys),
            provenance_by_asset_key=dict.fromkeys(keys),
            partition_key=context.partition_key if context.has_partition_key else None,
            partition_key_range=None,
            partition_time_window=None,
            run_id=context.run_id,
            job_name=context.job_name,
            retry_number=context.retry_number,
            extras=encode_invocation(invocation),
        )


def _follow(
    worker: Worker, take: Callable[[list[bytes]], None], stop: threading.Event
) -> WorkerExit:
    """Hand on a worker's lines until it has ended; stop it when asked to."""
    wait_s = _SHORTEST_WAIT_S
    while (ended := worker.poll()) is None:
        lines = worker.read_lines()
        take(lines)
        wait_s = _SHORTEST_WAIT_S if lines else min(wait_s * 2, _LONGEST_WAIT_S)
        if stop.wait(wait_s):
            worker.stop()
    take(worker.read_rest())
    return ended


def kedro_run_id(context: dg.AssetExecutionContext) -> str:
    """Return the Kedro run id of a step's attempt, in Kedro's timestamp format.

    It is the time at which Dagster created the run, so all steps share it, and a millisecond
    more for each retry, so that a retry never meets a version that is written already.
    """
    record = context.instance.get_run_record_by_id(context.run_id)
    created = record.create_timestamp if record else datetime.now(tz=timezone.utc)
    moment = created.astimezone(timezone.utc) + timedelta(milliseconds=context.retry_number)
    return f"{moment:%Y-%m-%dT%H.%M.%S}.{moment.microsecond // 1000:03d}Z"
