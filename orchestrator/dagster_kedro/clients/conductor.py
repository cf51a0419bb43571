"""One process that has loaded the project and forks workers when it is ordered to.

Knows orders and processes, not what is run. The other end is `kedro_pipes.conductor`.
"""

from __future__ import annotations

import itertools
import os
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import msgspec
from kedro_manifest.conducting import (
    LONGEST_PACKET,
    ORDERS_VARIABLE,
    Ended,
    Finish,
    Forget,
    Fork,
    Forked,
    NotForked,
    Order,
    Ready,
    decode_answer,
    encode_packet,
)
from kedro_manifest.invocation import RunError

from dagster_kedro.clients.base import Conductor, OutputLine, Worker, WorkerExit, WorkerLaunch
from dagster_kedro.clients.child_process import ChildProcess, child_process, scratch_folder
from dagster_kedro.clients.processes import PipesFiles, ProcessEnd, ProcessWorker
from dagster_kedro.errors import WorkerNotStartedError

_FORK_S = 60.0


def can_conduct() -> bool:
    """Tell whether workers can be forked here: on Linux."""
    return sys.platform == "linux"


@contextmanager
def conductor_process(
    launch: WorkerLaunch,
    command: list[str],
    variables: Mapping[str, str],
    *,
    grace_s: float,
    in_frames: bool,
) -> Iterator[Conductor]:
    """Start a conductor; its process group is gone when this is left.

    Args:
        launch: What it conducts.
        command: What is started.
        variables: Its environment, and that of its workers.
        grace_s: Seconds between asking a process to stop and killing it.
        in_frames: Whether messages come in frames on the output.

    Raises:
        WorkerNotStartedError: The command cannot be started.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, scratch_folder() as folder, ExitStack() as stack:
        files = PipesFiles(folder, launch.context_data, in_frames=in_frames)
        with theirs:
            started = child_process(
                launch,
                command,
                variables={**variables, ORDERS_VARIABLE: str(theirs.fileno())},
                files=files,
                grace_s=grace_s,
                descriptors=[theirs.fileno()],
            )
            process = stack.enter_context(started)
        stack.callback(ours.shutdown, socket.SHUT_RDWR)
        yield ConductorProcess(process, _Link(ours), grace_s=grace_s, in_frames=in_frames)


class ConductorProcess:
    """A conductor that has been started.

    Args:
        process: Its own process.
        link: Takes orders to it, and answers from it.
        grace_s: Seconds between asking a worker to stop and killing it.
        in_frames: Whether messages of workers come in frames on their output.
    """

    def __init__(
        self, process: ChildProcess, link: _Link, *, grace_s: float, in_frames: bool
    ) -> None:
        self._process = process
        self._link = link
        self._grace_s = grace_s
        self._in_frames = in_frames

    @contextmanager
    def launch(self, launch: WorkerLaunch) -> Iterator[Worker]:
        """Have a worker forked; on leaving, its whole process group is gone."""
        with scratch_folder() as folder:
            files = PipesFiles(folder, launch.context_data, in_frames=self._in_frames)
            worker = self._fork(launch, files)
            try:
                yield worker
            finally:
                worker.stop()
                self._link.send(Forget(process_id=worker.process_id))

    def _fork(self, launch: WorkerLaunch, files: PipesFiles) -> ForkedProcess:
        (out, out_theirs), (err, err_theirs) = os.pipe(), os.pipe()
        try:
            process_id = self._link.fork(files.variables, [out_theirs, err_theirs])
        except ForkError as error:
            os.close(out)
            os.close(err)
            raise WorkerNotStartedError(
                f"Cannot start a worker for group '{launch.group}': {self.place} did not fork it: "
                f"{error}. See what the run's log says of it, or start workers with `start: cold`."
            ) from error
        finally:
            os.close(out_theirs)
            os.close(err_theirs)
        return ForkedProcess(
            launch.group,
            process_id,
            file=files.messages(),
            stdout=os.fdopen(out, "rb", buffering=0),
            stderr=os.fdopen(err, "rb", buffering=0),
            grace_s=self._grace_s,
            conductor=self,
        )

    @property
    def place(self) -> str:
        """Where it runs."""
        return f"conductor (process {self._process.process_id})"

    @property
    def is_ready(self) -> bool:
        """True once its session has begun the run."""
        return self._link.is_ready

    @property
    def is_gone(self) -> bool:
        """True once it takes no order any more."""
        return self._link.is_closed

    def ended(self, process_id: int) -> Ended | None:
        """Return how a worker has ended, as the conductor tells it."""
        return self._link.ended(process_id)

    def finish(self, error: RunError | None, remove_staged: list[str]) -> None:
        """Have it end its session as Kedro does."""
        self._link.send(Finish(error=error, remove_staged=remove_staged))

    def poll(self) -> WorkerExit | None:
        """Return how it ended; None while it runs."""
        return self._process.poll()

    def read_lines(self) -> list[bytes]:
        """Return the message lines since the last call."""
        return self._process.read_lines()

    def read_rest(self) -> list[bytes]:
        """Return what is left once it has ended."""
        return self._process.read_rest()

    def read_output(self) -> list[OutputLine]:
        """Return the lines of output since the last call."""
        return self._process.read_output()

    def last_output(self) -> list[str]:
        """Return the last lines that it wrote to its output streams."""
        return self._process.last_output()

    def stop(self) -> None:
        """End it and what it has started; workers are ended by who waits for them."""
        self._process.stop()


class ForkedProcess(ProcessWorker):
    """A worker that a conductor has forked, and waits for."""

    def __init__(self, *arguments: Any, conductor: ConductorProcess, **options: Any) -> None:
        self._conductor = conductor
        super().__init__(*arguments, **options)

    def look(self) -> ProcessEnd | WorkerExit | None:
        """Return how it ended, as the conductor tells; without one, nobody knows."""
        conductor = self._conductor
        is_gone = conductor.is_gone  # asked first: the last answer may be the one on this worker
        ended = conductor.ended(self.process_id)
        if ended is not None and ended.status is not None:
            code = os.waitstatus_to_exitcode(ended.status)
            return ProcessEnd(code, ended.peak_memory_bytes or 0)
        if ended is not None:
            return self._lost(f"ended, and other code in its {conductor.place} waited for it")
        return (
            self._lost(f"was ended with its {conductor.place}, which is gone,") if is_gone else None
        )

    def _lost(self, how: str) -> WorkerExit:
        return WorkerExit(
            stopped=self._stopped,
            lost=None if self._stopped else how,
            cure="See how that ended in the run's log; `start: cold` does without a conductor.",
        )


class ForkError(Exception):
    """A conductor has not forked a worker."""


class _Link:
    """A socket to a conductor, and a thread that takes its answers."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._sending = threading.Lock()
        self._answered = threading.Condition()
        self._forked: dict[int, Forked | NotForked] = {}
        self._ended: dict[int, Ended] = {}
        self.is_ready = False
        self.is_closed = False
        threading.Thread(target=self._read, name="kedro-conductor", daemon=True).start()

    def send(self, order: Order, descriptors: list[int] | None = None) -> None:
        """Send an order; one that is gone is found to be so by who waits for it."""
        with self._sending, suppress(OSError):
            socket.send_fds(self._connection, [encode_packet(order)], descriptors or [])

    def fork(self, variables: dict[str, str], descriptors: list[int]) -> int:
        """Have a worker forked; return its process.

        Raises:
            ForkError: It could not be.
        """
        number = next(self._numbers)
        self.send(Fork(number=number, variables=variables), descriptors)
        with self._answered:
            self._answered.wait_for(lambda: number in self._forked or self.is_closed, _FORK_S)
            answer = self._forked.pop(number, None)
        if isinstance(answer, Forked):
            return answer.process_id
        if answer is None:
            raise ForkError("it is gone" if self.is_closed else f"it was silent for {_FORK_S} s")
        raise ForkError(answer.reason)

    def ended(self, process_id: int) -> Ended | None:
        """Return how a worker has ended, if it has."""
        with self._answered:
            return self._ended.get(process_id)

    def _read(self) -> None:
        try:
            while packet := self._connection.recv(LONGEST_PACKET):
                self._take(packet)
        except (OSError, msgspec.MsgspecError):
            pass  # it is closed, or nothing that it says can be trusted
        with self._answered:
            self.is_closed = True
            self._answered.notify_all()

    def _take(self, packet: bytes) -> None:
        answer = decode_answer(packet)
        with self._answered:
            if isinstance(answer, Ready):
                self.is_ready = True
            elif isinstance(answer, Ended):
                self._ended[answer.process_id] = answer
            else:
                if isinstance(answer, Forked):  # whose number a process before it may have had
                    self._ended.pop(answer.process_id, None)
                self._forked[answer.number] = answer
            self._answered.notify_all()
