"""Workers as processes on this machine, each in a process group of its own."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

from kedro_manifest.orchestration.clients import Start
from pydantic import Field

from dagster_kedro.clients.base import Conductor, KedroClient, Worker, WorkerLaunch
from dagster_kedro.clients.child_process import child_process, scratch_folder
from dagster_kedro.clients.conductor import can_conduct, conductor_process
from dagster_kedro.clients.processes import PipesFiles
from dagster_kedro.clients.variables import variables_named
from dagster_kedro.errors import WorkerNotStartedError

PASSED_VARIABLES = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "TMPDIR", "TEMP", "TMP"),
    *("LANG", "LANGUAGE", "LC_*", "XDG_*", "LD_LIBRARY_PATH", "SYSTEMROOT"),
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    # Where MLflow is, not who may log there.
    *("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_TRACKING_INSECURE_TLS"),
    *("MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_CLIENT_CERT_PATH"),
    *("KEDRO_*", "DO_NOT_TRACK", "PYTHONHASHSEED", "*_NUM_THREADS"),
)
"""Variables of the orchestrator that a worker gets; its secrets are not among them."""


class KedroSubprocessClient(KedroClient):
    """Runs each worker as a process on this machine, with the project's own interpreter.

    Example:
        >>> KedroSubprocessClient(pass_env=["AWS_*"], env={"OMP_NUM_THREADS": "1"})
    """

    python: str | None = Field(
        default=None, description="Interpreter of the workers. Default: the project's own."
    )
    env: dict[str, str] = Field(
        default_factory=dict, description="Variables that are set for every worker."
    )
    pass_env: list[str] = Field(
        default_factory=list,
        description="Variables to hand on from the orchestrator; `*` stands for anything.",
    )
    grace_s: float = Field(
        default=5.0, description="Seconds between asking a worker to stop and killing it.", ge=0
    )
    messages: Literal["file", "stdout"] = Field(
        default="file",
        description="How messages travel: in a file of their own, or in frames on the output.",
    )
    start: Start = Field(
        default="auto",
        description="Whether workers are forked by one process that has loaded the project "
        "(`warm`), are each started anew (`cold`), or forked where that saves time (`auto`).",
    )

    def overridable(self) -> frozenset[str]:
        """Return what a process takes: an interpreter and variables."""
        return frozenset({"python", "env"})

    def how_to_start(self) -> Start:
        """Return `start`, where workers can be forked."""
        return "cold" if self.why_cold() else self.start

    def why_cold(self) -> str | None:
        """Return what keeps workers from being forked."""
        if self.start == "cold":
            return None
        if not can_conduct():
            return "only on Linux can one process fork them"
        if type(self).launch is not KedroSubprocessClient.launch:
            return f"{type(self).__name__} launches them in a way of its own"
        return None

    @contextmanager
    def launch(self, launch: WorkerLaunch) -> Iterator[Worker]:
        """Start one process; on leaving, its whole process group is gone."""
        command, variables = self._command(launch), self._variables(launch)
        with scratch_folder() as folder:
            files = PipesFiles(folder, launch.context_data, in_frames=self.messages == "stdout")
            started = child_process(
                launch, command, variables=variables, files=files, grace_s=self.grace_s
            )
            with started as worker:
                yield worker

    def conduct(self, launch: WorkerLaunch) -> AbstractContextManager[Conductor]:
        """Start a process that forks workers; on leaving, its whole process group is gone."""
        return conductor_process(
            launch,
            self._command(launch),
            self._variables(launch),
            grace_s=self.grace_s,
            in_frames=self.messages == "stdout",
        )

    def _command(self, launch: WorkerLaunch) -> list[str]:
        if launch.command is not None:
            self._check_program(launch)
            # Only our worker has a guardian of its own. Both sides are one distribution, so the
            # module is here; it is started, never imported.
            return [sys.executable, "-I", "-m", "kedro_pipes.guardian", *launch.command]
        python = launch.overrides.python or self.python or launch.python
        if python is None:
            raise WorkerNotStartedError(
                f"Cannot start a worker for group '{launch.group}': no interpreter is known. "
                "Pass `python=` to KedroProject or to KedroSubprocessClient."
            )
        return [str(python), "-m", "kedro_pipes"]

    def _check_program(self, launch: WorkerLaunch) -> None:
        program = (launch.command or [""])[0]
        search = self._variables(launch).get("PATH")
        place = program if os.sep not in program else launch.project_dir / program
        if shutil.which(place, path=search) is None:
            raise WorkerNotStartedError(
                f"Cannot start '{program}' for '{launch.group}': there is no such program, or it "
                "may not be run. Give its full path, or see that PATH reaches the worker."
            )

    def _variables(self, launch: WorkerLaunch) -> dict[str, str]:
        """Return the variables that were asked for, the strongest last."""
        passed = variables_named(os.environ, (*PASSED_VARIABLES, *self.pass_env))
        return {**passed, **self.env, **launch.overrides.env}
