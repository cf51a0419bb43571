"""One worker on another host, through its supervisor there: started, followed, ended on request.

Knows a connection and what a supervisor says; not which host was chosen, nor how it is reached.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from kedro_manifest.supervising import (
    STOP,
    Answer,
    Ended,
    NotStarted,
    Ready,
    Start,
    Started,
    decode_answer,
    encode_start,
)

from dagster_kedro.clients.base import OutputLine, WorkerExit
from dagster_kedro.clients.output import OutputPump
from dagster_kedro.clients.ssh.connection import (
    Problem,
    SshConnection,
    cure_of,
    problem_of,
)
from dagster_kedro.errors import WorkerNotStartedError

_POLL_S = 0.02
_START_WITHIN_S = 300.0
_LAST_WORDS_S = 5.0
_STOP_WAIT_S = 8.0
"""For what the host's supervisor waits after the grace, and the way there and back."""


class NotConnectedError(Exception):
    """The supervisor on a host has not answered, so that nothing runs there."""

    def __init__(self, message: str, problem: Problem) -> None:
        super().__init__(message)
        self.problem = problem


class RemoteWorker:
    """A worker on another host.

    Args:
        connection: To its supervisor.
        group: Name of its group, for messages and for what it prints.
        said_before: What is to be told before its own output.
        grace_s: Seconds between asking it to stop and killing it.
        silence_s: Seconds after which it ends by itself where nobody is heard any more.
    """

    def __init__(
        self,
        connection: SshConnection,
        group: str,
        *,
        said_before: list[str],
        grace_s: float,
        silence_s: float,
    ) -> None:
        self._connection = connection
        self._group = group
        self._grace_s = grace_s
        self._silence_s = silence_s
        self._output = OutputPump(group, connection.stdout, connection.stderr)
        self._said_before = [OutputLine(text=text, stream="stderr") for text in said_before]
        self._lines: list[bytes] = []
        self._answers: list[Answer] = []
        self._process_id = 0
        self._stopped = False
        self._exit: WorkerExit | None = None

    def connect(self, timeout_s: float, is_unwanted: Callable[[], bool]) -> None:
        """Wait for the supervisor.

        Raises:
            NotConnectedError: It does not answer in time.
        """
        deadline = time.monotonic() + timeout_s
        while not self._answers and time.monotonic() < deadline and not is_unwanted():
            if self._is_over():
                break
            time.sleep(_POLL_S)
        if not any(isinstance(each, Ready) for each in self._answers):
            said = self._output.last_lines()
            problem = problem_of(said)
            if not said:
                problem, said = "unreachable", [f"no answer within {timeout_s:g} s"]
            raise NotConnectedError(
                f"Cannot start a worker for group '{self._group}' on '{self._connection.host}': "
                f"{'; '.join(said)}. {cure_of(problem, self._connection.host)}",
                problem,
            )
        self._output.lines()  # the host's greetings are nobody's output

    def start(self, start: Start, is_unwanted: Callable[[], bool]) -> None:
        """Have the worker started.

        Raises:
            WorkerNotStartedError: It is not.
        """
        self._connection.send(encode_start(start))
        deadline = time.monotonic() + _START_WITHIN_S
        while time.monotonic() < deadline and not is_unwanted():
            over = self._is_over()
            for answer in self._answers:
                if isinstance(answer, Started):
                    self._process_id = answer.process_id
                    return
                if isinstance(answer, NotStarted):
                    raise self._not_started(answer.reason)
            if over:
                break
            time.sleep(_POLL_S)
        raise self._not_started("; ".join(self._output.last_lines()) or "no answer")

    @property
    def place(self) -> str:
        """Where it runs."""
        return f"process {self._process_id} on {self._connection.host}"

    def poll(self) -> WorkerExit | None:
        """Return how it ended, as its supervisor says; None while it runs."""
        if self._exit is None:
            over = self._is_over()
            ended = [each for each in self._answers if isinstance(each, Ended)]
            if ended:
                self._exit = self._describe(ended[0])
            elif over:
                self._exit = self._lost()
        return self._exit

    def read_lines(self) -> list[bytes]:
        """Return the messages that have come."""
        self._read()
        lines, self._lines = self._lines, []
        return lines

    def read_rest(self) -> list[bytes]:
        """Return what is left; the streams have ended, or are given a moment to."""
        self._hear_out()
        return self.read_lines()

    def read_output(self) -> list[OutputLine]:
        """Return the lines of output that have come."""
        lines, self._said_before = self._said_before, []
        return lines + self._output.lines()

    def last_output(self) -> list[str]:
        """Return the last lines that it wrote, and what was said of the connection."""
        self._hear_out()
        return self._output.last_lines()

    def stop(self) -> None:
        """Have it ended with all that it started; where nobody answers, it ends by itself."""
        if self.poll() is None:
            self._stopped = True
            self._connection.send(STOP)
            deadline = time.monotonic() + self._grace_s + _STOP_WAIT_S
            while self.poll() is None and time.monotonic() < deadline:
                time.sleep(_POLL_S)
        self._exit = self._exit or WorkerExit(stopped=True)

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()
        self._output.join()

    def _hear_out(self) -> None:
        deadline = time.monotonic() + _LAST_WORDS_S
        while not self._connection.has_ended() and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        if not self._connection.has_ended():  # something holds its streams that is not of its group
            self._connection.close()
        self._output.join()

    def _is_over(self) -> bool:
        """Read what has come; tell whether nothing more can."""
        over = self._connection.has_ended()
        if over:
            self._output.join()
        self._read()
        return over

    def _read(self) -> None:
        for line in self._output.messages():
            answer = decode_answer(line)
            if answer is None:
                self._lines.append(line)
            else:
                self._answers.append(answer)

    def _describe(self, ended: Ended) -> WorkerExit:
        return WorkerExit(
            code=ended.code if ended.code >= 0 else None,
            signal=-ended.code if ended.code < 0 else None,
            stopped=self._stopped,
            out_of_memory=ended.out_of_memory and not self._stopped,
            peak_memory_bytes=ended.peak_memory_bytes,
        )

    def _lost(self) -> WorkerExit:
        if self._stopped:
            return WorkerExit(stopped=True)
        return WorkerExit(
            lost=f"could not be heard any more: the connection to '{self._connection.host}' broke",
            cure=f"What ran there ends within {self._silence_s + self._grace_s:g} s.",
        )

    def _not_started(self, reason: str) -> WorkerNotStartedError:
        host = self._connection.host
        return WorkerNotStartedError(
            f"Cannot start a worker for group '{self._group}' on '{host}': {reason}. "
            f"{cure_of('other', host)}"
        )
