"""One worker in a container: followed while it runs, ended on request, told apart by how it ended.

Knows an engine and the worker's streams; not how the container was described.
"""

from __future__ import annotations

import re
import signal
import time

from dagster_kedro.channel import MessageFile
from dagster_kedro.clients.base import OutputLine, WorkerExit
from dagster_kedro.clients.docker.cures import not_started
from dagster_kedro.clients.docker.engine import (
    ContainerState,
    DockerEngine,
    EngineUnreachableError,
)
from dagster_kedro.clients.docker.shell_guardian import NO_SUCH_PROGRAM
from dagster_kedro.clients.docker.streams import ContainerStreams, as_file
from dagster_kedro.clients.output import OutputPump
from dagster_kedro.errors import WorkerNotStartedError

PATIENCE_S = 15.0
"""How long an engine may be silent, as when it starts anew, before its worker counts as lost."""

_LOOK_EVERY_S = 2.0
_LAST_WORDS_S = 5.0
_KILL_WAIT_S = 10.0
_POLL_S = 0.05
_REMOVAL_S = 0.3
_SIGNAL_CODES = range(129, 128 + 65)
"""Exit codes by which an init process, like a shell, says that a signal ended its child."""
_NOT_STARTED_CODES = (126, 127)
_NOT_STARTED_BY_INIT = re.compile(r"\[FATAL tini \(\d+\)\] (exec .* failed: .*)")
"""What the engine's init process says, and the same one in an image."""


class ContainerWorker:
    """A container that has been attached to, and started.

    Args:
        engine: Where it runs.
        container: Its id.
        group: Name of the group, for what it prints.
        streams: Its standard streams.
        file: Its messages, where they come in a file.
        grace_s: Seconds between asking it to stop and killing it.
        memory_bytes: What it may use; None for anything.
    """

    def __init__(
        self,
        engine: DockerEngine,
        container: str,
        group: str,
        streams: ContainerStreams,
        *,
        file: MessageFile | None,
        grace_s: float,
        memory_bytes: int | None,
    ) -> None:
        self._engine = engine
        self._container = container
        self._streams = streams
        self._file = file
        self._grace_s = grace_s
        self._memory_bytes = memory_bytes
        self._output = OutputPump(group, as_file(streams.stdout), as_file(streams.stderr))
        self._exit: WorkerExit | None = None
        self._stopped = False
        self._looked_at = time.monotonic()
        self._silent_since: float | None = None
        self._ended_at: float | None = None

    @property
    def place(self) -> str:
        """The container, by the short id that the engine shows."""
        return f"container {self._container[:12]}"

    def poll(self) -> WorkerExit | None:
        """Return how it ended; its streams end with it, so they tell when to look.

        Raises:
            WorkerNotStartedError: The image lacks what was to be started in it.
        """
        now = time.monotonic()
        if self._exit is None and (
            self._stopped or self._streams.ended or now > self._looked_at + _LOOK_EVERY_S
        ):
            self._looked_at = now
            self._exit = self._look(now)
            self._refuse_missing()
        return self._exit

    def read_lines(self) -> list[bytes]:
        """Return the messages that have come."""
        lines = self._file.read_lines() if self._file else []
        return lines + self._output.messages()

    def read_rest(self) -> list[bytes]:
        """Return what is left; the streams have ended, or are given a moment to."""
        self._output.join()
        lines = self._file.read_rest() if self._file else []
        return lines + self._output.messages()

    def read_output(self) -> list[OutputLine]:
        """Return the lines of output that have come."""
        return self._output.lines()

    def last_output(self) -> list[str]:
        """Return the last lines that it wrote."""
        self._output.join()
        return self._output.last_lines()

    def stop(self) -> None:
        """End the container: all of its processes go with the first."""
        self._stopped |= self.poll() is None
        if self._exit is None:
            self._engine.signal(self._container, "SIGTERM")
            self._wait(self._grace_s)
        if self._exit is None:
            self._engine.signal(self._container, "SIGKILL")
            self._wait(_KILL_WAIT_S)
        if self._exit is None:
            # The engine does not answer; what it still runs loses its control pipe.
            self._exit = WorkerExit(stopped=True)

    def close(self) -> None:
        """Let go of the streams, once it has ended."""
        self._streams.close()
        self._output.join()

    def _wait(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while self.poll() is None and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def _refuse_missing(self) -> None:
        """Tell a program that has never begun from one that failed: the container began for both."""
        if self._exit is None or self._exit.code not in _NOT_STARTED_CODES:
            return
        last = (self.last_output() or [""])[-1]
        if last.endswith(NO_SUCH_PROGRAM):
            raise WorkerNotStartedError(last)
        if found := _NOT_STARTED_BY_INIT.fullmatch(last):
            raise not_started(found[1])

    def _look(self, now: float) -> WorkerExit | None:
        try:
            state = self._engine.inspect(self._container)
        except EngineUnreachableError as error:
            self._silent_since = self._silent_since or now
            if now < self._silent_since + PATIENCE_S:
                return None
            return self._lost(f"is out of reach: the Docker engine does not answer ({error})")
        self._silent_since = None
        if state is None:
            return self._removed()
        if not state.running:
            ended = self._describe(state)
            return self._removed() if ended.signal == signal.SIGKILL and self._is_gone() else ended
        if self._streams.ended:
            # The last bytes may be here before the engine has noticed the end.
            self._ended_at = self._ended_at or now
            if now > self._ended_at + _LAST_WORDS_S:
                self._engine.signal(self._container, "SIGKILL")
                return self._lost("could not be heard any more: the connection to its output broke")
        return None

    def _is_gone(self) -> bool:
        """Tell whether a container that was killed is being removed, which kills it first."""
        if self._stopped:
            return False
        time.sleep(_REMOVAL_S)
        try:
            return self._engine.inspect(self._container) is None
        except EngineUnreachableError:
            return False

    def _removed(self) -> WorkerExit:
        return self._lost("lost its container, which somebody has removed,")

    def _lost(self, how: str) -> WorkerExit:
        return WorkerExit(stopped=self._stopped, lost=None if self._stopped else how)

    def _describe(self, state: ContainerState) -> WorkerExit:
        by_signal = state.exit_code in _SIGNAL_CODES
        number = state.exit_code - 128 if by_signal else None
        killed = number == signal.SIGKILL and not self._stopped
        out_of_memory = state.out_of_memory and killed
        return WorkerExit(
            code=None if by_signal else state.exit_code,
            signal=number,
            stopped=self._stopped,
            out_of_memory=out_of_memory,
            # What the kernel kills it for is that it has reached its limit.
            peak_memory_bytes=self._memory_bytes if out_of_memory else None,
        )
