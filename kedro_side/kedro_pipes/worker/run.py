"""Run one invocation in a real Kedro session and report it.

The way in is `python -m kedro_pipes`. Knows the session and the reports, not how the
messages travel.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import kedro
import msgspec
from kedro_manifest import __version__
from kedro_manifest.events import (
    DatasetsFound,
    Event,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    WorkerStarted,
    encode_event,
)
from kedro_manifest.invocation import Invocation

from kedro_pipes import report
from kedro_pipes.worker.checks import DatasetChecks
from kedro_pipes.worker.drift import refuse_drift
from kedro_pipes.worker.logs import ForwardingHandler, replace_terminal_handlers
from kedro_pipes.worker.metadata_values import PipesMetadata
from kedro_pipes.worker.mlflow_end import end_run
from kedro_pipes.worker.mlflow_runs import MlflowRunHook
from kedro_pipes.worker.output import MarkedOutput, flush_native_output
from kedro_pipes.worker.pinning import PinnedEntriesHook
from kedro_pipes.worker.pipes_context import NoticeCheck, WorkerPipesContext
from kedro_pipes.worker.reporting import NodeReporter, Reports
from kedro_pipes.worker.run_hooks import fire_run_hooks
from kedro_pipes.worker.runners import make_runner
from kedro_pipes.worker.sessions import (
    configure,
    existing_outputs,
    load_nodes,
    open_catalog,
    open_context,
    run_session,
)
from kedro_pipes.worker.staging import StagingHook, remove_staged
from kedro_pipes.worker.statements import CheckResult, Statements
from kedro_pipes.worker.stored_checks import check_stored


class PipesReports:
    """Reports through a Pipes context, so that any Pipes client can read them.

    Args:
        pipes: The context.
        output: The worker's streams, which are told which node is running.
    """

    def __init__(self, pipes: WorkerPipesContext, output: MarkedOutput) -> None:
        self._pipes = pipes
        self.output = output
        self.before_node: Callable[[], None] = lambda: None
        """Is called when a node begins."""

    def event(self, event: Event) -> None:
        """Report one of our events as a custom message."""
        if isinstance(event, NodeFinished | NodeFailed):
            flush_native_output()
        self._pipes.report_custom_message(encode_event(event))
        if isinstance(event, NodeStarted):
            self.before_node()
            self.output.begin_node(event.node)
        elif isinstance(event, NodeFinished | NodeFailed):
            self.output.end_node(event.node)

    def materialization(
        self, asset_key: str, metadata: PipesMetadata, data_version: str | None = None
    ) -> None:
        """Report a selected asset as materialized."""
        self._pipes.report_saved(asset_key, metadata, data_version)

    def check(self, asset_key: str, result: CheckResult) -> None:
        """Report a check, be it of an asset that nobody has selected."""
        self._pipes.report_check(
            asset_key, result.name, result.severity, result.metadata, passed=result.passed
        )

    def watch_checks(self, notice: NoticeCheck) -> None:
        """Let somebody know of checks that nodes report through Pipes themselves."""
        self._pipes.notice_check = notice

    def log(self, message: str, level: str) -> None:
        """Forward one log record."""
        self._pipes.log.log(logging.getLevelName(level), "%s", message)


class PrintedReports:
    """Prints what would be reported, a JSON line each, for a worker that is run by hand."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def event(self, event: Event) -> None:
        """Print one of our events."""
        self._print(msgspec.to_builtins(event))

    def materialization(
        self, asset_key: str, metadata: PipesMetadata, data_version: str | None = None
    ) -> None:
        """Print a materialization with its bare metadata values."""
        record = {"asset_key": asset_key, "data_version": data_version, "metadata": _bare(metadata)}
        self._print({"event": "Materialization", **record})

    def check(self, asset_key: str, result: CheckResult) -> None:
        """Print a check with its bare metadata values."""
        record = msgspec.structs.asdict(result) | {"metadata": _bare(result.metadata)}
        self._print({"event": "Check", "asset_key": asset_key, **record})

    def watch_checks(self, notice: NoticeCheck) -> None:
        """Do nothing: by hand, there are no Pipes for a node to report through."""

    def _print(self, record: dict[str, Any]) -> None:
        with self._lock:  # or two threads would share a line
            print(json.dumps(record, default=str), file=self._stream, flush=True)


def _bare(metadata: PipesMetadata) -> dict[str, Any]:
    return {name: entry["raw_value"] for name, entry in metadata.items()}


def run_invocation(
    invocation: Invocation, reports: PipesReports | PrintedReports, project_path: Path
) -> None:
    """Run the nodes of one invocation; returns only when all of them are finished.

    Args:
        invocation: What to run.
        reports: Where to report it.
        project_path: The project's directory; for a packaged project any directory, which
            relative paths in the catalog are then relative to.

    Raises:
        Exception: Whatever a node, a dataset or a hook raised, after it has been reported.
    """
    reports.event(
        WorkerStarted(
            process_id=os.getpid(),
            kedro_version=kedro.__version__,
            worker_version=__version__,
            group=invocation.group,
        )
    )
    if invocation.mlflow_end is not None:
        configure(project_path, invocation.package_name)
        with open_context(project_path, invocation) as context:
            end_run(context, invocation)
        return
    for url in invocation.remove_staged:
        remove_staged(url, project_path)
    if invocation.check_stored:
        configure(project_path, invocation.package_name)
        with open_catalog(project_path, invocation) as catalog:
            for check, result in check_stored(catalog, invocation.checks):
                reports.check(check.asset_key, result)
        return
    if not invocation.nodes:
        return
    if invocation.find_only:
        configure(project_path, invocation.package_name)
        found = existing_outputs(project_path, invocation)
        partitions = {name: ids for name, ids in found.items() if ids}
        reports.event(DatasetsFound(datasets=sorted(found), partitions=partitions))
        return
    if invocation.run_hooks is not None:
        configure(project_path, invocation.package_name)
        with _forwarded_logs(invocation, reports, lambda: None):
            fire_run_hooks(project_path, invocation)
        return
    checks = DatasetChecks(invocation, reports)
    reports.watch_checks(checks.notice)
    mlflow_run = MlflowRunHook(invocation, reports.event)
    reporter = NodeReporter(invocation, reports, checks, of_worker=lambda: mlflow_run.metadata)
    hooks = [
        reporter,
        mlflow_run,
        PinnedEntriesHook(invocation.load_versions),
        StagingHook(invocation, project_path),
        checks,
    ]
    configure(project_path, invocation.package_name)
    with (
        _forwarded_logs(invocation, reports, lambda: reporter.current_node),
        _connected(reporter.statements),
    ):
        try:
            loaded = load_nodes(invocation)
            refuse_drift(invocation, loaded.nodes, project_path)
            reporter.statements.know(loaded.nodes)
            runner = make_runner(invocation, loaded.nodes, reporter.running)
            run_session(project_path, invocation, loaded, hooks=hooks, runner=runner)
        except BaseException as error:
            reporter.fail(error)
            mlflow_run.fail()
            raise
        reporter.finish()


def run_by_hand(invocation: Invocation, project_path: Path) -> None:
    """Run an invocation and print what would be reported."""
    run_invocation(invocation, PrintedReports(sys.stdout), project_path)


@contextmanager
def _forwarded_logs(
    invocation: Invocation,
    reports: PipesReports | PrintedReports,
    node: Callable[[], str | None],
) -> Iterator[None]:
    """Attach our handler; after `configure`, because Kedro resets logging there."""
    if not isinstance(reports, PipesReports):
        yield
        return

    handler = ForwardingHandler(
        reports.log,
        lambda: node() or invocation.group,
        invocation.log_level,
        invocation.logger_levels,
    )
    replace_terminal_handlers()
    with handler.attached():
        reports.before_node = handler.listen
        reports.output.node_of_thread = node
        reports.output.is_forwarded = handler.is_reached_by
        yield


@contextmanager
def _connected(statements: Statements) -> Iterator[None]:
    """Let node code report through `kedro_pipes.report`."""
    report.connect(statements)
    try:
        yield
    finally:
        report.connect(None)


__all__ = ["PipesReports", "PrintedReports", "Reports", "run_by_hand", "run_invocation"]
