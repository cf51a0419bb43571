"""Workers on other hosts, over SSH: on which host, with what.

What a connection says and does is the business of `connection`, a running worker that of
`worker`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dagster_pipes import PipesParams
from kedro_manifest.invocation import FRAMES_PARAM, HOST_VARIABLE, MARKS_PARAM
from kedro_manifest.supervising import Start, shell_word
from pydantic import Field

from dagster_kedro.clients.base import KedroClient, Worker, WorkerLaunch
from dagster_kedro.clients.ssh.connection import (
    ALIVE_COUNT,
    SshConnection,
    find_ssh,
    ssh_options,
)
from dagster_kedro.clients.ssh.hosts import HostPool, avoid, connecting
from dagster_kedro.clients.ssh.worker import NotConnectedError, RemoteWorker
from dagster_kedro.clients.variables import variables_named
from dagster_kedro.errors import WorkerNotStartedError

_MESSAGES: PipesParams = {"stdio": "stdout", FRAMES_PARAM: True, MARKS_PARAM: True}
_AGAIN_AFTER_S = 1.0


class KedroSshClient(KedroClient):
    """Runs each worker as a process on one of some hosts, by OpenSSH's own client.

    Example:
        >>> KedroSshClient(
        ...     hosts=["gpu-1", "gpu-2"],
        ...     max_per_host=1,
        ...     project_dir="/srv/flights",
        ...     python="/srv/flights/.venv/bin/python",
        ... )
    """

    hosts: list[str] = Field(
        description="Names of `~/.ssh/config`, `host`, `user@host`, or `ssh://user@host:port`.",
        min_length=1,
    )
    max_per_host: int = Field(
        default=0, description="Workers at a time on each host; 0 for any number.", ge=0
    )
    python: str | None = Field(
        default=None,
        description="Interpreter on the hosts; a path may be relative to the project there. "
        "Default: where the project's own is here, or `python3`.",
    )
    project_dir: str | None = Field(
        default=None,
        description="The project's folder on the hosts. Default: the same path as here.",
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
    connect_timeout_s: float = Field(
        default=30.0, description="Seconds until a host has to have answered.", gt=0
    )
    keep_alive_s: int = Field(
        default=15,
        description="Seconds between signs of life, both ways; after three that stay out, the "
        "connection counts as broken, and the worker ends.",
        ge=1,
    )
    ssh_config: str | None = Field(
        default=None, description="Another file than OpenSSH's own configuration."
    )
    ssh_options: dict[str, str] = Field(
        default_factory=dict, description="Whatever `ssh_config` may say, before what it says."
    )

    def overridable(self) -> frozenset[str]:
        """Return what a process takes: an interpreter and variables."""
        return frozenset({"python", "env"})

    @contextmanager
    def launch(self, launch: WorkerLaunch) -> Iterator[Worker]:
        """Start one process on a host with a free place; on leaving, its process group is gone."""
        pool = HostPool(self.hosts, self.max_per_host)
        passed_over: dict[str, str] = {}
        while True:
            with pool.place(launch.is_unwanted, passed_over) as host:
                if host is None:
                    raise _no_host(launch, passed_over)
                try:
                    worker = self._connected(launch, host, list(passed_over.values()))
                except NotConnectedError as error:
                    # Other hosts do as well, but not for one that may be somebody else's.
                    if error.problem != "unreachable" or len(self.hosts) == 1:
                        raise WorkerNotStartedError(str(error)) from error
                    avoid(host)
                    passed_over[host] = str(error)
                    continue
                try:
                    worker.start(self._start(launch, host), launch.is_unwanted)
                    try:
                        yield worker
                    finally:
                        worker.stop()
                finally:
                    worker.close()
                return

    def _connected(self, launch: WorkerLaunch, host: str, said_before: list[str]) -> RemoteWorker:
        """Return a worker's supervisor that waits; a host that is busy is asked again."""
        spent_s = 0.0
        while True:
            with connecting(host):
                began = time.monotonic()
                worker = self._open(launch, host, said_before)
                try:
                    worker.connect(self.connect_timeout_s - spent_s, launch.is_unwanted)
                except BaseException as error:
                    worker.close()
                    spent_s += time.monotonic() - began + _AGAIN_AFTER_S
                    is_busy = isinstance(error, NotConnectedError) and error.problem == "busy"
                    if not is_busy or spent_s > self.connect_timeout_s:
                        raise
                else:
                    return worker
            time.sleep(_AGAIN_AFTER_S)

    def _open(self, launch: WorkerLaunch, host: str, said_before: list[str]) -> RemoteWorker:
        program = find_ssh()
        if program is None:
            raise WorkerNotStartedError(
                f"Cannot start a worker for group '{launch.group}' on '{host}': there is no `ssh` "
                "here. Install OpenSSH's client where Dagster runs."
            )
        folder = self.project_dir or str(launch.project_dir)
        options = ssh_options(
            self.ssh_config,
            self.ssh_options,
            connect_timeout_s=self.connect_timeout_s,
            keep_alive_s=self.keep_alive_s,
        )
        connection = SshConnection(
            program,
            options,
            host,
            f"cd {shell_word(folder)} && "
            f"exec {shell_word(self._python(launch))} -m kedro_pipes.supervisor",
            keep_alive_s=self.keep_alive_s,
        )
        return RemoteWorker(
            connection,
            launch.group,
            said_before=said_before,
            grace_s=self.grace_s,
            silence_s=self._silence_s,
        )

    def _start(self, launch: WorkerLaunch, host: str) -> Start:
        python = self._python(launch)
        passed = variables_named(os.environ, self.pass_env)
        variables = {**passed, **self.env, **launch.overrides.env}
        if launch.command is None:
            command = [python, "-m", "kedro_pipes"]
            variables[HOST_VARIABLE] = host
        else:
            # Only our worker has a guardian of its own.
            command = [python, "-m", "kedro_pipes.guardian", *launch.command]
        return Start(
            command=command,
            variables=variables,
            context=launch.context_data,
            messages=dict(_MESSAGES),
            grace_s=self.grace_s,
            silence_s=self._silence_s,
        )

    def _python(self, launch: WorkerLaunch) -> str:
        return launch.overrides.python or self.python or str(launch.python or "python3")

    @property
    def _silence_s(self) -> float:
        return self.keep_alive_s * (ALIVE_COUNT + 1)


def _no_host(launch: WorkerLaunch, passed_over: dict[str, str]) -> WorkerNotStartedError:
    if launch.is_unwanted():
        return WorkerNotStartedError(
            f"Group '{launch.group}' was not started: the step ended before a host had room for it."
        )
    return WorkerNotStartedError(
        f"Cannot start a worker for group '{launch.group}': no host can be reached.\n"
        + "\n".join(passed_over.values())
    )
