"""Run one invocation in a real Kedro session and report it.

The way in is `python -m kedro_pipes`. Knows the session and the reports, not how the
messages travel.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import kedro
from kedro.framework.hooks import hook_impl
from kedro.runner import AbstractRunner
from kedro_manifest import __version__
from kedro_manifest.events import DatasetsFound, WorkerStarted
from kedro_manifest.invocation import HOST_VARIABLE, Invocation

from kedro_pipes import report
from kedro_pipes.garbage import resume_search
from kedro_pipes.worker.checks import DatasetChecks
from kedro_pipes.worker.drift import refuse_drift
from kedro_pipes.worker.logs import ForwardingHandler, replace_terminal_handlers
from kedro_pipes.worker.metadata_values import PipesMetadata, value
from kedro_pipes.worker.mlflow_end import end_run
from kedro_pipes.worker.mlflow_runs import MlflowRunHook
from kedro_pipes.worker.pinning import PinnedEntriesHook
from kedro_pipes.worker.reporting import NodeReporter
from kedro_pipes.worker.reports import PipesReports, PrintedReports
from kedro_pipes.worker.run_hooks import fire_run_hooks
from kedro_pipes.worker.runners import make_runner
from kedro_pipes.worker.sessions import (
    LoadedNodes,
    configure,
    existing_outputs,
    load_nodes,
    open_catalog,
    open_context,
    run_session,
)
from kedro_pipes.worker.staging import StagingHook, remove_staged
from kedro_pipes.worker.statements import Statements
from kedro_pipes.worker.stored_checks import check_stored


def run_invocation(
    invocation: Invocation, reports: PipesReports | PrintedReports, project_path: Path
) -> None:
    """Do what one invocation asks for; returns only when all of it is done.

    Args:
        invocation: What to run.
        reports: Where to report it.
        project_path: The project's directory; for a packaged project any directory, which
            relative paths in the catalog are then relative to.

    Raises:
        Exception: Whatever a node, a dataset or a hook raised, after it has been reported.
    """
    report_start(invocation, reports)
    for url in invocation.remove_staged:
        remove_staged(url, project_path)
    if not (invocation.nodes or invocation.check_stored or invocation.mlflow_end):
        return
    configure(project_path, invocation.package_name)
    if invocation.mlflow_end is not None:
        with open_context(project_path, invocation) as context:
            end_run(context, invocation)
    elif invocation.check_stored:
        with open_catalog(project_path, invocation) as catalog:
            for check, result in check_stored(catalog, invocation.checks):
                reports.check(check.asset_key, result)
    elif invocation.find_only:
        found = existing_outputs(project_path, invocation)
        partitions = {name: ids for name, ids in found.items() if ids}
        reports.event(DatasetsFound(datasets=sorted(found), partitions=partitions))
    elif invocation.run_hooks is not None:
        with forwarded_logs(invocation, reports, lambda: None):
            fire_run_hooks(project_path, invocation)
    else:
        run_nodes(invocation, reports, project_path, OwnSession(project_path, invocation))


def report_start(invocation: Invocation, reports: PipesReports | PrintedReports) -> None:
    """Report that this process has begun with an invocation."""
    reports.event(
        WorkerStarted(
            process_id=os.getpid(),
            kedro_version=kedro.__version__,
            worker_version=__version__,
            group=invocation.group,
            host=os.environ.get(HOST_VARIABLE, ""),
        )
    )


class NodeSession(Protocol):
    """A real session of Kedro for an invocation's nodes."""

    def load(self) -> LoadedNodes:
        """Return the nodes."""

    def run(self, loaded: LoadedNodes, hooks: list[Any], runner: AbstractRunner) -> None:
        """Run them, with `hooks` registered beside the project's own."""


class OwnSession:
    """A session that is opened for one invocation."""

    def __init__(self, project_path: Path, invocation: Invocation) -> None:
        self._project_path = project_path
        self._invocation = invocation

    def load(self) -> LoadedNodes:
        """Load the registered pipelines that hold the invocation's nodes."""
        return load_nodes(self._invocation)

    def run(self, loaded: LoadedNodes, hooks: list[Any], runner: AbstractRunner) -> None:
        """Open the session and run the nodes."""
        hooks = [*hooks, PinnedEntriesHook(self._invocation.load_versions)]
        run_session(self._project_path, self._invocation, loaded, hooks=hooks, runner=runner)


def run_nodes(
    invocation: Invocation,
    reports: PipesReports | PrintedReports,
    project_path: Path,
    session: NodeSession,
) -> None:
    """Run an invocation's nodes in a session, and report them.

    Raises:
        Exception: Whatever a node, a dataset or a hook raised, after it has been reported.
    """
    checks = DatasetChecks(invocation, reports)
    reports.watch_checks(checks.notice)
    mlflow_run = MlflowRunHook(invocation, reports.event)
    reporter = NodeReporter(
        invocation, reports, checks, of_worker=lambda: {**_of_host(), **mlflow_run.metadata}
    )
    hooks = [
        reporter,
        mlflow_run,
        StagingHook(invocation, project_path),
        checks,
        _SearchAgain(),
    ]
    with (
        forwarded_logs(invocation, reports, lambda: reporter.current_node),
        _connected(reporter.statements),
    ):
        try:
            loaded = session.load()
            refuse_drift(invocation, loaded.nodes, project_path)
            reporter.statements.know(loaded.nodes)
            runner = make_runner(invocation, loaded.nodes, reporter.running)
            session.run(loaded, hooks, runner)
        except BaseException as error:
            reporter.fail(error)
            mlflow_run.fail()
            raise
        reporter.finish()


class _SearchAgain:
    """Lets Python search for garbage again once everything is imported and a node begins."""

    @hook_impl(tryfirst=True)
    def before_dataset_loaded(self) -> None:
        """Do so before the first dataset is loaded."""
        resume_search()

    @hook_impl(tryfirst=True)
    def before_node_run(self) -> None:
        """Do so for a node without inputs."""
        resume_search()


def _of_host() -> PipesMetadata:
    host = os.environ.get(HOST_VARIABLE)
    return {"kedro/host": value("text", host)} if host else {}


def run_by_hand(invocation: Invocation, project_path: Path) -> None:
    """Run an invocation and print what would be reported."""
    run_invocation(invocation, PrintedReports(sys.stdout), project_path)


@contextmanager
def forwarded_logs(
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
