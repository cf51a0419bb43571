"""Workers as processes on this machine, each in a process group of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO

from dagster_pipes import (
    DAGSTER_PIPES_CONTEXT_ENV_VAR,
    DAGSTER_PIPES_MESSAGES_ENV_VAR,
    encode_param,
)
from kedro_manifest.invocation import CONTROL_VARIABLE, GRACE_VARIABLE
from pydantic import Field

from dagster_kedro.channel import MessageFile
from dagster_kedro.clients.base import KedroClient, Worker, WorkerExit, WorkerLaunch
from dagster_kedro.errors import WorkerNotStartedError

PASSED_VARIABLES = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "TMPDIR", "TEMP", "TMP"),
    *("LANG", "LANGUAGE", "LC_*", "XDG_*", "LD_LIBRARY_PATH", "SYSTEMROOT"),
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("KEDRO_*", "DO_NOT_TRACK", "PYTHONHASHSEED", "*_NUM_THREADS"),
)
"""Variables of the orchestrator that a worker gets; its secrets are not among them."""

_LAST_LINES = 20
_MAX_LINE_BYTES = 64 * 1024
_KILL_WAIT_S = 5.0


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

    @contextmanager
    def launch(self, launch: WorkerLaunch) -> Iterator[Worker]:
        """Start one process; on leaving, its whole process group is gone."""
        scratch = Path(tempfile.mkdtemp(prefix="kedro-pipes-"))
        try:
            with self._start(launch, scratch) as worker:
                try:
                    yield worker
                finally:
                    worker.stop()
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    @contextmanager
    def _start(self, launch: WorkerLaunch, scratch: Path) -> Iterator[_ProcessWorker]:
        python = self.python or launch.python
        if python is None:
            raise WorkerNotStartedError(
                f"Cannot start a worker for group '{launch.group}': no interpreter is known. "
                "Pass `python=` to KedroProject or to KedroSubprocessClient."
            )
        (scratch / "context.json").write_text(json.dumps(launch.context_data))
        (scratch / "messages.jsonl").touch()
        # The worker's guardian reads this pipe: a byte says that all is well, an end of
        # file without one says that the orchestrator is gone.
        control_read, control_write = os.pipe()
        try:
            process = subprocess.Popen(  # noqa: S603 - the interpreter is the user's own choice
                [str(python), "-m", "kedro_pipes"],
                cwd=launch.project_dir,
                env=self._environment(scratch, control_read),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                pass_fds=(control_read,),
            )
        except OSError as error:
            os.close(control_write)
            raise WorkerNotStartedError(
                f"Cannot start a worker for group '{launch.group}' with '{python}' in "
                f"'{launch.project_dir}': {error.strerror}. Check `python` and `project_dir`."
            ) from error
        finally:
            os.close(control_read)
        worker = _ProcessWorker(launch.group, process, scratch / "messages.jsonl", self.grace_s)
        try:
            yield worker
        finally:
            with suppress(OSError):  # the guardian may be gone, killed by hand
                os.write(control_write, b".")
            os.close(control_write)

    def _environment(self, scratch: Path, control: int) -> dict[str, str]:
        messages = {"path": str(scratch / "messages.jsonl")}
        return {
            **passed_environment(os.environ, self.pass_env),
            **self.env,
            DAGSTER_PIPES_CONTEXT_ENV_VAR: encode_param({"path": str(scratch / "context.json")}),
            DAGSTER_PIPES_MESSAGES_ENV_VAR: encode_param(messages),
            CONTROL_VARIABLE: str(control),
            GRACE_VARIABLE: str(self.grace_s),
            "PYTHONUNBUFFERED": "1",
        }


def passed_environment(environment: Mapping[str, str], patterns: list[str]) -> dict[str, str]:
    """Return the variables that a worker may see: the fixed list, and what the user names."""
    allowed = (*PASSED_VARIABLES, *patterns)
    return {
        name: value
        for name, value in environment.items()
        if any(fnmatchcase(name, pattern) for pattern in allowed)
    }


class _ProcessWorker:
    """A process that leads its own process group."""

    def __init__(
        self, group: str, process: subprocess.Popen[bytes], messages: Path, grace_s: float
    ) -> None:
        self._process = process
        self._messages = MessageFile(messages)
        self._grace_s = grace_s
        self._stopped = False
        self._output = _OutputPump(group, process)

    @property
    def place(self) -> str:
        return f"process {self._process.pid}"

    def poll(self) -> WorkerExit | None:
        code = self._process.poll()
        if code is None:
            return None
        if code < 0:
            return WorkerExit(signal=-code, stopped=self._stopped)
        return WorkerExit(code=code, stopped=self._stopped)

    def read_lines(self) -> list[bytes]:
        return self._messages.read_lines()

    def read_rest(self) -> list[bytes]:
        return self._messages.read_rest()

    def last_output(self) -> list[str]:
        self._output.join()
        return self._output.last_lines()

    def stop(self) -> None:
        """End the whole group: also what the worker left behind when it ended by itself."""
        running = self._process.poll() is None
        self._stopped |= running
        self._signal_group(signal.SIGTERM)
        deadline = time.monotonic() + self._grace_s
        while self._group_exists() and time.monotonic() < deadline:
            self._process.poll()
            time.sleep(0.01)
        self._signal_group(signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_KILL_WAIT_S)
        self._output.join()

    def _signal_group(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _group_exists(self) -> bool:
        try:
            os.killpg(self._process.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return True


class _OutputPump:
    """Copies a worker's output to ours, line by line, and keeps the last lines."""

    def __init__(self, group: str, process: subprocess.Popen[bytes]) -> None:
        self._prefix = f"[{group}] "
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self._threads = [
            threading.Thread(target=self._copy, args=streams, daemon=True)
            for streams in ((process.stdout, sys.stdout), (process.stderr, sys.stderr))
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until everything is copied; bounded, since a grandchild may hold the stream."""
        for thread in self._threads:
            thread.join(_KILL_WAIT_S)

    def last_lines(self) -> list[str]:
        return list(self._last)

    def _copy(self, source: IO[bytes], target: IO[str]) -> None:
        with source:
            while line := source.readline(_MAX_LINE_BYTES):
                text = line.decode(errors="replace").rstrip("\r\n")
                self._last.append(text)
                target.write(f"{self._prefix}{text}\n")
                target.flush()
