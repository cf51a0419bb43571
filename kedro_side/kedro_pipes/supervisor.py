"""Starts one worker on a host that is reached over SSH, and sees to its end.

`python -m kedro_pipes.supervisor` is told what to do on its standard input (see
`kedro_manifest.supervising`). It ends the worker's process group when it is told to, when the input
ends, and when nobody has given a sign of life for some time: a network that is cut without a word ends
no connection. Should it be killed itself, the worker's guardian misses it. Must not import kedro.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress

import msgspec
from dagster_pipes import (
    DAGSTER_PIPES_CONTEXT_ENV_VAR,
    DAGSTER_PIPES_MESSAGES_ENV_VAR,
    encode_param,
)
from kedro_manifest import __version__
from kedro_manifest.frames import encode_frames
from kedro_manifest.invocation import CONTROL_VARIABLE, GRACE_VARIABLE
from kedro_manifest.memory import OutOfMemoryWatch, peak_memory_bytes
from kedro_manifest.supervising import (
    ANSWER_NUMBER,
    STOP,
    Answer,
    Ended,
    NotStarted,
    Ready,
    Start,
    Started,
    decode_start,
    encode_answer,
)

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_START_WITHIN_S = 300.0
"""For a context of some megabytes over a slow line."""
_LOOK_EVERY_S = 0.5
_GROUP_POLL_S = 0.02
_KILL_WAIT_S = 5.0
_CHUNK_BYTES = 64 * 1024
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


class PeerGoneError(Exception):
    """Nobody is at the other end of the connection any more."""


def main() -> int:
    """Start a worker and wait for its end; return 0 if that could be told."""
    say(Ready(version=__version__), _STDERR)
    try:
        line, rest = read_line(time.monotonic() + _START_WITHIN_S)
    except PeerGoneError:
        return 1
    try:
        start = decode_start(line)
        supervised = Supervised(start)
    except (msgspec.MsgspecError, OSError) as error:
        say(NotStarted(reason=_reason(error)), _STDERR)
        return 2
    say(Started(process_id=supervised.process_id), _STDERR)
    try:
        supervised.follow(rest)
    except PeerGoneError:
        supervised.end()
        return 1
    ended = supervised.end()
    # Nobody reads on where the network is gone, and the pipe may be full.
    _, writable, _ = select.select([], [_STDOUT], [], start.silence_s)
    if writable:
        say(ended, _STDOUT)
    return 0


def say(answer: Answer, descriptor: int) -> None:
    """Answer, after what has been written there before."""
    with suppress(OSError):
        for frame in encode_frames(ANSWER_NUMBER, encode_answer(answer)):
            os.write(descriptor, frame)


def read_line(deadline: float) -> tuple[bytes, bytes]:
    """Return the first line of the input, and what has come after it.

    Raises:
        PeerGoneError: It has ended before, or takes too long.
    """
    pieces: list[bytes] = []
    while not pieces or b"\n" not in pieces[-1]:
        ready, _, _ = select.select([_STDIN], [], [], max(0.0, deadline - time.monotonic()))
        piece = os.read(_STDIN, _CHUNK_BYTES) if ready else b""
        if not piece:
            raise PeerGoneError
        pieces.append(piece)
    line, _, rest = b"".join(pieces).partition(b"\n")
    return line, rest


class Supervised:
    """A worker, from its start to the end of its process group.

    Args:
        start: What is started.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, start: Start) -> None:
        self._grace_s = start.grace_s
        self._silence_s = start.silence_s
        self._wakes, wake = os.pipe()
        for end in (self._wakes, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        # Wakes whoever waits, if it has a handler at all.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # Whoever ends the supervisor ends it by its control pipe: the worker's guardian sees that.
        control, self._control = os.pipe()
        context = _context_file(msgspec.json.encode(start.context))
        try:
            process = subprocess.Popen(  # noqa: S603 - what the orchestrator asks for
                start.command,
                env={**os.environ, **_variables(start, context, control)},
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(control, context),
            )
        except OSError:
            os.close(self._control)
            raise
        finally:
            os.close(control)
            os.close(context)
        self.process_id = process.pid
        self._process = process
        self._code: int | None = None
        self._peak_bytes = 0
        self._memory = OutOfMemoryWatch(process.pid)

    def follow(self, heard: bytes) -> None:
        """Return once the worker has ended, or is to end.

        Args:
            heard: What has been said already.

        Raises:
            PeerGoneError: Nobody waits for it any more.
        """
        heard_at = time.monotonic()
        while STOP not in heard:
            if self._has_ended():
                return
            ready, _, _ = select.select([_STDIN, self._wakes], [], [], _LOOK_EVERY_S)
            if self._wakes in ready:
                os.read(self._wakes, _CHUNK_BYTES)
            if _STDIN in ready:
                heard, heard_at = os.read(_STDIN, _CHUNK_BYTES), time.monotonic()
                if not heard:
                    raise PeerGoneError
            elif time.monotonic() > heard_at + self._silence_s:
                raise PeerGoneError

    def end(self) -> Ended:
        """End whatever is left of the worker's process group; return how the worker has ended."""
        self._signal(signal.SIGTERM)
        self._wait_for_group(self._grace_s)
        self._signal(signal.SIGKILL)
        self._wait_for_group(_KILL_WAIT_S)
        with suppress(OSError):  # somebody has killed the guardian
            os.write(self._control, b".")
        killed = self._code == -signal.SIGKILL
        return Ended(
            code=-signal.SIGKILL if self._code is None else self._code,
            out_of_memory=killed and self._memory.has_killed(),
            peak_memory_bytes=self._peak_bytes or None,
        )

    def _has_ended(self) -> bool:
        if self._code is None:
            self._memory.look_again()
            self._peak_bytes = max(self._peak_bytes, peak_memory_bytes(self.process_id))
            # `Popen.poll` would throw the resource usage away.
            process_id, status, usage = os.wait4(self.process_id, os.WNOHANG)
            if process_id:
                self._code = self._process.returncode = os.waitstatus_to_exitcode(status)
                own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                peak = usage.ru_maxrss if usage.ru_maxrss > own else 0
                self._peak_bytes = max(self._peak_bytes, peak * _MAXRSS_BYTES)
        return self._code is not None

    def _wait_for_group(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self._has_ended() and not self._signal(0):
                return
            time.sleep(_GROUP_POLL_S)

    def _signal(self, number: int) -> bool:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process_id, number)
            return True
        return False


def _context_file(context: bytes) -> int:
    """Return an open file that holds the context, of any size and in no folder."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("context")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    while context:
        context = context[os.write(descriptor, context) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _variables(start: Start, context: int, control: int) -> Mapping[str, str]:
    return {
        **start.variables,
        DAGSTER_PIPES_CONTEXT_ENV_VAR: encode_param({"path": f"/dev/fd/{context}"}),
        DAGSTER_PIPES_MESSAGES_ENV_VAR: encode_param(start.messages),
        CONTROL_VARIABLE: str(control),
        GRACE_VARIABLE: str(start.grace_s),
        "PYTHONUNBUFFERED": "1",
    }


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        named = f"'{error.filename}': " if error.filename else ""
        return f"{named}{error.strerror}"
    return f"this host's kedro-dagster-pipes {__version__} cannot read what it is told ({error})"


if __name__ == "__main__":
    sys.exit(main())
