"""A worker that is run by hand, with a clock beside it: where its time goes.

`python -m kedro_pipes.worker.phases INVOCATION RESULT` does what a cold worker does, and writes how
long each phase took. Knows the order of a worker's start, not who asks for it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro_pipes.environment import prepare_environment
from kedro_pipes.garbage import put_off_search
from kedro_pipes.leaving import leave

if TYPE_CHECKING:
    from kedro_pipes.worker.run import OwnSession

PHASES = {
    "interpreter": "Python itself, up to the worker's first line",
    "imports": "Kedro and the worker",
    "settings": "the project's settings",
    "pipelines": "the node's pipelines, and all that they import",
    "hooks": "the session, plugins and hooks",
    "configuration": "parameters, catalog and credentials are read and resolved",
    "catalog": "the node's datasets are made, and what they import",
    "load": "inputs are loaded",
    "node": "the node's own function",
    "save": "outputs are saved",
    "report": "what was saved is described, checked and told, and other hooks",
    "exit": "threads and `atexit` callbacks, up to the end of the process",
}


class Clock:
    """Adds up what each phase takes."""

    def __init__(self) -> None:
        self._phase = "interpreter"
        self._wall_s = self.began_s = time.time()
        self._cpu_s = 0.0
        self.taken: dict[str, list[float]] = {name: [0.0, 0.0] for name in PHASES}
        """Seconds and seconds of processor time, by phase."""

    def enter(self, phase: str) -> None:
        """End a phase, and begin the next."""
        wall_s, cpu_s = time.time(), time.process_time()
        taken = self.taken[self._phase]
        taken[0] += wall_s - self._wall_s
        taken[1] += cpu_s - self._cpu_s
        self._phase, self._wall_s, self._cpu_s = phase, wall_s, cpu_s


def main(invocation_file: Path, result: Path) -> int:
    """Run the nodes of an invocation; return the exit code."""
    clock = Clock()
    clock.enter("imports")
    put_off_search()
    prepare_environment(Path.cwd())
    # These import kedro, which the environment had to be prepared for.
    from kedro_manifest.invocation import read_invocation  # noqa: PLC0415

    from kedro_pipes.worker.reports import PrintedReports  # noqa: PLC0415
    from kedro_pipes.worker.run import OwnSession, run_nodes  # noqa: PLC0415
    from kedro_pipes.worker.sessions import configure  # noqa: PLC0415

    invocation = read_invocation(invocation_file)
    clock.enter("settings")
    configure(Path.cwd(), invocation.package_name)
    clock.enter("report")
    with Path(os.devnull).open("w") as nowhere:
        session = _TimedSession(OwnSession(Path.cwd(), invocation), clock)
        run_nodes(invocation, PrintedReports(nowhere), Path.cwd(), session)
    clock.enter("exit")
    result.write_text(json.dumps({"began_s": clock.began_s, "taken": clock.taken}))
    return 0


class _TimedSession:
    """A session (see `worker.run.NodeSession`) whose steps are timed."""

    def __init__(self, session: OwnSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    def load(self) -> Any:
        self._clock.enter("pipelines")
        loaded = self._session.load()
        self._clock.enter("report")
        return loaded

    def run(self, loaded: Any, hooks: list[Any], runner: Any) -> None:
        self._clock.enter("hooks")
        self._session.run(loaded, [*hooks, _timing_hook(self._clock)], runner)


def _timing_hook(clock: Clock) -> Any:
    from kedro.framework.hooks import hook_impl  # noqa: PLC0415 - see `main`

    class TimingHook:
        """Tells the clock what Kedro does next."""

        @hook_impl(trylast=True)
        def after_context_created(self) -> None:
            clock.enter("configuration")

        @hook_impl(tryfirst=True)
        def after_catalog_created(self) -> None:
            clock.enter("hooks")

        @hook_impl(trylast=True)
        def before_pipeline_run(self) -> None:
            clock.enter("catalog")

        @hook_impl(trylast=True)
        def before_dataset_loaded(self) -> None:
            clock.enter("load")

        @hook_impl(tryfirst=True)
        def after_dataset_loaded(self) -> None:
            clock.enter("report")

        @hook_impl(trylast=True)
        def before_node_run(self) -> None:
            clock.enter("node")

        @hook_impl(tryfirst=True)
        def after_node_run(self) -> None:
            clock.enter("report")

        @hook_impl(trylast=True)
        def before_dataset_saved(self) -> None:
            clock.enter("save")

        @hook_impl(tryfirst=True)
        def after_dataset_saved(self) -> None:
            clock.enter("report")

    return TimingHook()


if __name__ == "__main__":
    sys.exit(leave(main(*map(Path, sys.argv[1:]))))
