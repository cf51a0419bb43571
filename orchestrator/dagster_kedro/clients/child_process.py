"""A worker that this process starts, with a pipe whose end tells it that this process is gone."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from kedro_manifest.invocation import CONTROL_VARIABLE, GRACE_VARIABLE

from dagster_kedro.channel import MessageFile
from dagster_kedro.clients.base import WorkerLaunch
from dagster_kedro.clients.processes import PipesFiles, ProcessEnd, ProcessWorker
from dagster_kedro.errors import WorkerNotStartedError

_MAXRSS_BYTES = 1 if platform.system() == "Darwin" else 1024


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a folder for one worker, which is removed when it has ended."""
    folder = Path(tempfile.mkdtemp(prefix="kedro-pipes-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def child_process(
    launch: WorkerLaunch,
    command: list[str],
    *,
    variables: Mapping[str, str],
    files: PipesFiles,
    grace_s: float,
    descriptors: Sequence[int] = (),
) -> Iterator[ChildProcess]:
    """Start a worker; its group is gone when this is left.

    Args:
        launch: What it is started for.
        command: What is started.
        variables: Its environment, besides what tells it of its files.
        files: Through which it talks.
        grace_s: Seconds between asking it to stop and killing it.
        descriptors: What it inherits besides.

    Raises:
        WorkerNotStartedError: The command cannot be started.
    """
    # The worker's guardian reads this pipe: a byte says that all is well, an end of
    # file without one says that the orchestrator is gone.
    control_read, control_write = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: S603 - the interpreter is the user's own choice
            command,
            cwd=launch.project_dir,
            env={
                **variables,
                **files.variables,
                CONTROL_VARIABLE: str(control_read),
                GRACE_VARIABLE: str(grace_s),
                "PYTHONUNBUFFERED": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            pass_fds=(control_read, *descriptors),
        )
    except OSError as error:
        os.close(control_write)
        raise WorkerNotStartedError(
            f"Cannot start a worker for group '{launch.group}' with '{command[0]}' in "
            f"'{launch.project_dir}': {error.strerror}. Check `python` and `project_dir`."
        ) from error
    finally:
        os.close(control_read)
    worker = ChildProcess(launch.group, process, files.messages(), grace_s)
    try:
        try:
            yield worker
        finally:
            worker.stop()
    finally:
        with suppress(OSError):  # the guardian may be gone, killed by hand
            os.write(control_write, b".")
        os.close(control_write)


class ChildProcess(ProcessWorker):
    """A worker that this process has started itself."""

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
        super().__init__(
            group,
            process.pid,
            file=file,
            stdout=process.stdout,
            stderr=process.stderr,
            grace_s=grace_s,
        )

    def look(self) -> ProcessEnd | None:
        """Return how the process ended, without waiting; None while it runs."""
        # `Popen.poll` would throw the resource usage away.
        process_id, status, usage = os.wait4(self._process.pid, os.WNOHANG)
        if not process_id:
            return None
        self._process.returncode = os.waitstatus_to_exitcode(status)
        # Our worker sets the kernel's mark back when a node begins; before, it is that of who
        # has forked it.
        at_fork = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peak = usage.ru_maxrss if usage.ru_maxrss > at_fork else 0
        return ProcessEnd(self._process.returncode, peak * _MAXRSS_BYTES)
