"""Hold a run's session and fork its workers: from the conductor's invocation to its end.

Puts the parts of this room together.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from dagster_pipes import PipesMappingParamsLoader
from kedro_manifest.conducting import ORDERS_VARIABLE, Finish, Fork
from kedro_manifest.invocation import Invocation

from kedro_pipes.conductor.forking import fork_worker
from kedro_pipes.conductor.inherited import leave_connections
from kedro_pipes.conductor.orders import Orders
from kedro_pipes.conductor.seeds import Seeds
from kedro_pipes.conductor.session import (
    ConductingRunner,
    HeldSession,
    InheritedSession,
    SessionHook,
)
from kedro_pipes.worker.channel import NumberedMessageWriter
from kedro_pipes.worker.logs import detach_forwarding
from kedro_pipes.worker.output import MarkedOutput
from kedro_pipes.worker.pinning import PinnedEntriesHook
from kedro_pipes.worker.pipes_process import work_under_pipes
from kedro_pipes.worker.reports import PipesReports
from kedro_pipes.worker.run import forwarded_logs, report_start, run_nodes
from kedro_pipes.worker.sessions import configure, load_nodes, run_session
from kedro_pipes.worker.staging import StagingHook, remove_staged


def conduct(invocation: Invocation, reports: PipesReports, project_path: Path, roster: int) -> None:
    """Hold the session of a run until the orchestrator says how it ends.

    Args:
        invocation: All nodes of the run.
        reports: Where the conductor itself reports.
        project_path: The project's directory.
        roster: Where the guardian is told of workers.

    Raises:
        Exception: Whatever the project's code or a hook raised.
    """
    seeds = Seeds()
    orders = Orders(int(os.environ.pop(ORDERS_VARIABLE)), roster)
    report_start(invocation, reports)
    configure(project_path, invocation.package_name)
    with forwarded_logs(invocation, reports, lambda: None):
        loaded = load_nodes(invocation)
        # What is gone is told by the worker that is to run it.
        present = [name for name in invocation.nodes if name in loaded.nodes]
        invocation = msgspec.structs.replace(invocation, nodes=present)
        hook = SessionHook()

        def serve(session: HeldSession) -> Finish:
            seeds.keep()
            forking = _Forking(
                session=session,
                orders=orders,
                seeds=seeds,
                output=reports.output,
                project_path=project_path,
                roster=roster,
            )
            return orders.serve(forking.fork)

        runner = ConductingRunner(hook, serve)
        hooks = [
            hook,
            PinnedEntriesHook(invocation.load_versions),
            StagingHook(invocation, project_path),
        ]
        try:
            run_session(project_path, invocation, loaded, hooks=hooks, runner=runner)
        except Exception as raised:
            if raised is not runner.error:
                raise
    for url in runner.remove_staged:
        remove_staged(url, project_path)


class _Forking(msgspec.Struct, frozen=True, kw_only=True):
    """Forks workers from a session."""

    session: HeldSession
    orders: Orders
    seeds: Seeds
    output: MarkedOutput
    """Of this process, and of the workers once it leads to theirs."""
    project_path: Path
    roster: int

    def fork(self, order: Fork, output: list[int]) -> int:
        """Fork one worker; return its process."""
        return fork_worker(
            output, self.roster, self.seeds, self.orders.close_in_child, lambda: self._work(order)
        )

    def _work(self, order: Fork) -> int:
        """Do, in the new process, what a worker does; return its exit code."""
        detach_forwarding()
        leave_connections()
        os.environ.update(order.variables)
        writer = NumberedMessageWriter()
        self.output.start_over(writer.last_number)
        params = PipesMappingParamsLoader(order.variables)
        return work_under_pipes(params, writer, self.output, self._run)

    def _run(self, invocation: Invocation, reports: PipesReports) -> None:
        report_start(invocation, reports)
        session = InheritedSession(self.session, invocation)
        run_nodes(invocation, reports, self.project_path, session)
