"""A worker that is a process on this machine and leads a process group of its own.

Knows its messages, its output and how its group is ended; not who has started it, which is for
subclasses to say.
"""

from __future__ import annotations

import json
import os
import signal
import time
from abc import abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from dagster_pipes import (
    DAGSTER_PIPES_CONTEXT_ENV_VAR,
    DAGSTER_PIPES_MESSAGES_ENV_VAR,
    encode_param,
)
from kedro_manifest.invocation import FRAMES_PARAM, MARKS_PARAM
from kedro_manifest.memory import OutOfMemoryWatch, peak_memory_bytes

from dagster_kedro.channel import MessageFile
from dagster_kedro.clients.base import OutputLine, WorkerExit
from dagster_kedro.clients.output import OutputPump

_KILL_WAIT_S = 5.0
_GROUP_POLL_S = 0.01


class PipesFiles:
    """The files through which one worker is told what to do, and says what it has done.

    Args:
        folder: Of this worker alone.
        context_data: The Pipes context.
        in_frames: Whether messages come in frames on its output, and not in a file.
    """

    def __init__(self, folder: Path, context_data: dict[str, Any], *, in_frames: bool) -> None:
        self._context = folder / "context.json"
        self._messages = folder / "messages.jsonl"
        self._in_frames = in_frames
        self._context.write_text(json.dumps(context_data))
        self._messages.touch()

    @property
    def variables(self) -> dict[str, str]:
        """The variables by which a worker finds them."""
        in_frames = {"stdio": "stdout", FRAMES_PARAM: True}
        messages = in_frames if self._in_frames else {"path": str(self._messages)}
        return {
            DAGSTER_PIPES_CONTEXT_ENV_VAR: encode_param({"path": str(self._context)}),
            DAGSTER_PIPES_MESSAGES_ENV_VAR: encode_param({**messages, MARKS_PARAM: True}),
        }

    def messages(self) -> MessageFile | None:
        """Return the file of messages; None where they come in frames."""
        return None if self._in_frames else MessageFile(self._messages)


class ProcessEnd:
    """How a process ended, as who has waited for it knows.

    Args:
        code: Exit code; below 0 the signal that ended it.
        peak_memory_bytes: Largest resident size, as far as that is known besides.
    """

    def __init__(self, code: int, peak_memory_bytes: int = 0) -> None:
        self.code = code
        self.peak_memory_bytes = peak_memory_bytes


class ProcessWorker:
    """A process that leads its own process group.

    Args:
        group: Name of its group of nodes.
        process_id: Its process, and its process group.
        file: Where its messages come, unless they are on its output.
        stdout: Its standard output.
        stderr: Its standard error.
        grace_s: Seconds between asking it to stop and killing it.
    """

    def __init__(
        self,
        group: str,
        process_id: int,
        *,
        file: MessageFile | None,
        stdout: IO[bytes],
        stderr: IO[bytes],
        grace_s: float,
    ) -> None:
        self.process_id = process_id
        self._file = file
        self._grace_s = grace_s
        self._stopped = False
        self._exit: WorkerExit | None = None
        self._peak_bytes = 0
        self._memory = OutOfMemoryWatch(process_id)
        self._output = OutputPump(group, stdout, stderr)

    @abstractmethod
    def look(self) -> ProcessEnd | WorkerExit | None:
        """Return how the process ended, without waiting; None while it runs."""

    @property
    def place(self) -> str:
        """Where it runs."""
        return f"process {self.process_id}"

    def poll(self) -> WorkerExit | None:
        """Return how it ended; None while it runs."""
        if self._exit is None:
            self._memory.look_again()
            self._peak_bytes = max(self._peak_bytes, peak_memory_bytes(self.process_id))
            end = self.look()
            if isinstance(end, ProcessEnd):
                self._peak_bytes = max(self._peak_bytes, end.peak_memory_bytes)
                self._exit = self._describe_exit(end.code)
            elif end is not None:
                self._exit = end
        return self._exit

    def _describe_exit(self, code: int) -> WorkerExit:
        killed = code == -signal.SIGKILL and not self._stopped
        return WorkerExit(
            code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            stopped=self._stopped,
            out_of_memory=killed and self._memory.has_killed(),
            peak_memory_bytes=self._peak_bytes or None,
        )

    def read_lines(self) -> list[bytes]:
        """Return the message lines since the last call."""
        lines = self._file.read_lines() if self._file else []
        lines += self._output.messages()
        return lines

    def read_rest(self) -> list[bytes]:
        """Return what is left once it has ended."""
        # What the worker left running may hold its streams open.
        self.stop()
        lines = self._file.read_rest() if self._file else []
        return lines + self._output.messages()

    def read_output(self) -> list[OutputLine]:
        """Return the lines of output since the last call."""
        return self._output.lines()

    def last_output(self) -> list[str]:
        """Return the last lines that it wrote to its output streams."""
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
            os.killpg(self.process_id, number)

    def _group_exists(self) -> bool:
        try:
            os.killpg(self.process_id, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return True
