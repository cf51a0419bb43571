"""Workers as processes on this machine, each in a process group of its own."""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from dagster_pipes import (
    DAGSTER_PIPES_CONTEXT_ENV_VAR,
    DAGSTER_PIPES_MESSAGES_ENV_VAR,
    encode_param,
)
from kedro_manifest.invocation import (
    CONTROL_VARIABLE,
    FRAMES_PARAM,
    GRACE_VARIABLE,
    MARKS_PARAM,
)
from pydantic import Field

from dagster_kedro.channel import MessageFile
from dagster_kedro.clients.base import (
    KedroClient,
    OutputLine,
    Worker,
    WorkerExit,
    WorkerLaunch,
)
from dagster_kedro.clients.memory import OutOfMemoryWatch, peak_memory_bytes
from dagster_kedro.clients.output import OutputPump
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

_KILL_WAIT_S = 5.0
_GROUP_POLL_S = 0.01
_MAXRSS_BYTES = 1 if platform.system() == "Darwin" else 1024


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

    def overridable(self) -> frozenset[str]:
        """Return what a process takes: an interpreter and variables."""
        return frozenset({"python", "env"})

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
        command = self._command(launch)
        (scratch / "context.json").write_text(json.dumps(launch.context_data))
        (scratch / "messages.jsonl").touch()
        # The worker's guardian reads this pipe: a byte says that all is well, an end of
        # file without one says that the orchestrator is gone.
        control_read, control_write = os.pipe()
        try:
            process = subprocess.Popen(  # noqa: S603 - the interpreter is the user's own choice
                command,
                cwd=launch.project_dir,
                env=self._environment(launch, scratch, control_read),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
                pass_fds=(control_read,),
            )
        except OSError as error:
            os.close(control_write)
            raise WorkerNotStartedError(
                f"Cannot start a worker for group '{launch.group}' with '{command[0]}' in "
                f"'{launch.project_dir}': {error.strerror}. Check `python` and `project_dir`."
            ) from error
        finally:
            os.close(control_read)
        file = MessageFile(scratch / "messages.jsonl") if self.messages == "file" else None
        worker = _ProcessWorker(launch.group, process, file, self.grace_s)
        try:
            yield worker
        finally:
            with suppress(OSError):  # the guardian may be gone, killed by hand
                os.write(control_write, b".")
            os.close(control_write)

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

    def _environment(self, launch: WorkerLaunch, scratch: Path, control: int) -> dict[str, str]:
        in_frames = {"stdio": "stdout", FRAMES_PARAM: True}
        in_file = {"path": str(scratch / "messages.jsonl")}
        messages = in_frames if self.messages == "stdout" else in_file
        return {
            **self._variables(launch),
            DAGSTER_PIPES_CONTEXT_ENV_VAR: encode_param({"path": str(scratch / "context.json")}),
            DAGSTER_PIPES_MESSAGES_ENV_VAR: encode_param({**messages, MARKS_PARAM: True}),
            CONTROL_VARIABLE: str(control),
            GRACE_VARIABLE: str(self.grace_s),
            "PYTHONUNBUFFERED": "1",
        }


class _ProcessWorker:
    """A process that leads its own process group."""

    def __init__(
        self,
        group: str,
        process: subprocess.Popen[bytes],
        file: MessageFile | None,
        grace_s: float,
    ) -> None:
        if process.stdout is None or process.stderr is None:
            raise ValueError("The process was started without pipes for its output.")
        self._process = process
        self._file = file
        self._grace_s = grace_s
        self._stopped = False
        self._exit: WorkerExit | None = None
        self._peak_bytes = 0
        self._memory = OutOfMemoryWatch(process.pid)
        self._output = OutputPump(group, process.stdout, process.stderr)

    @property
    def place(self) -> str:
        return f"process {self._process.pid}"

    def poll(self) -> WorkerExit | None:
        if self._exit is None:
            self._memory.look_again()
            self._peak_bytes = max(self._peak_bytes, peak_memory_bytes(self._process.pid))
            # `Popen.poll` would throw the resource usage away.
            process_id, status, usage = os.wait4(self._process.pid, os.WNOHANG)
            if process_id:
                self._process.returncode = os.waitstatus_to_exitcode(status)
                at_fork = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                if usage.ru_maxrss > at_fork:
                    # Our worker sets the kernel's mark back when a node begins.
                    peak_bytes = usage.ru_maxrss * _MAXRSS_BYTES
                    self._peak_bytes = max(self._peak_bytes, peak_bytes)
                self._exit = self._describe_exit()
        return self._exit

    def _describe_exit(self) -> WorkerExit:
        code = self._process.returncode
        killed = code == -signal.SIGKILL and not self._stopped
        return WorkerExit(
            code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            stopped=self._stopped,
            out_of_memory=killed and self._memory.has_killed(),
            peak_memory_bytes=self._peak_bytes or None,
        )

    def read_lines(self) -> list[bytes]:
        lines = self._file.read_lines() if self._file else []
        lines += self._output.messages()
        return lines

    def read_rest(self) -> list[bytes]:
        # What the worker left running may hold its streams open.
        self.stop()
        lines = self._file.read_rest() if self._file else []
        return lines + self._output.messages()

    def read_output(self) -> list[OutputLine]:
        return self._output.lines()

    def last_output(self) -> list[str]:
        self._output.join()
        return self._output.last_lines()

    def stop(self) -> None:
        """End the whole group: also what the worker left behind when it ended by itself."""
        self._stopped |= self.poll() is None
        self._signal_group(signal.SIGTERM)
        self._wait_for_group(self._grace_s)
        self._signal_group(signal.SIGKILL)
        self._wait_for_group(_KILL_WAIT_S)
        self._output.join()

    def _wait_for_group(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self.poll()
            if not self._group_exists():
                return
            time.sleep(_GROUP_POLL_S)

    def _signal_group(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _group_exists(self) -> bool:
        try:
            os.killpg(self._process.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return True
