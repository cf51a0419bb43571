"""Copies what a worker writes to its standard streams, and finds messages and marks in it."""

from __future__ import annotations

import fcntl
import select
import struct
import sys
import termios
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, Literal, TypeVar

from kedro_manifest.frames import FrameReader
from kedro_manifest.output_marks import MarkedLine, MarkReader

from dagster_kedro.clients.base import OutputLine

_Item = TypeVar("_Item")

_LAST_LINES = 20
_CHUNK_BYTES = 64 * 1024
_LONGEST_LINE = 64 * 1024
_JOIN_S = 5.0
_SETTLE_S = 2.0
_SETTLE_POLL_S = 0.001


class OutputPump:
    """Reads a worker's streams until they end; its own threads do the work.

    Args:
        group: Name of the group, put before each line that is copied, with its node.
        stdout: The worker's standard output, unbuffered.
        stderr: The worker's standard error, unbuffered; None where both come as one.
        on_output: Is called whenever something has come, by the thread that has read it.
    """

    def __init__(
        self,
        group: str,
        stdout: IO[bytes],
        stderr: IO[bytes] | None = None,
        *,
        on_output: Callable[[], object] = lambda: None,
    ) -> None:
        self._group = group
        self._on_output = on_output
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self._messages: SimpleQueue[bytes] = SimpleQueue()
        self._lines: SimpleQueue[list[OutputLine]] = SimpleQueue()
        self._streams = [_Stream("stdout", stdout)]
        if stderr is not None:
            self._streams.append(_Stream("stderr", stderr))
        self._threads = [
            threading.Thread(target=self._copy, args=(stream,), daemon=True)
            for stream in self._streams
        ]
        for thread in self._threads:
            thread.start()

    def join(self, timeout_s: float = _JOIN_S) -> None:
        """Wait until everything is copied; bounded, since a grandchild may hold the stream."""
        for thread in self._threads:
            thread.join(timeout_s)

    def messages(self) -> list[bytes]:
        """Return the framed messages that have come since the last call."""
        return _drained(self._messages)

    def lines(self) -> list[OutputLine]:
        """Return the lines since the last call, with all that is written by now."""
        deadline = time.monotonic() + _SETTLE_S
        for stream, target in [(stream, stream.written()) for stream in self._streams]:
            while stream.done < target and time.monotonic() < deadline:
                time.sleep(_SETTLE_POLL_S)
        return [line for lines in _drained(self._lines) for line in lines]

    def last_lines(self) -> list[str]:
        """Return the last lines of both streams, in the order in which they were read."""
        return list(self._last)

    def _copy(self, stream: _Stream) -> None:
        frames, marks = FrameReader(), MarkReader()
        for data in stream.chunks():
            messages, output = frames.feed(data) if data else frames.close()
            for message in messages:
                self._messages.put(message)
            lines = [each for line in output for each in marks.read(line.rstrip(b"\r"))]
            if lines:
                self._take(stream, lines)
            self._on_output()

    def _take(self, stream: _Stream, lines: list[MarkedLine]) -> None:
        self._last.extend(line.text[:_LONGEST_LINE] for line in lines[-_LAST_LINES:])
        _write(stream.target, "".join(f"{self._prefix(line.node)}{line.text}\n" for line in lines))
        untold = [
            OutputLine(
                text=_as_seen(line.untold), stream=stream.name, node=line.node, after=line.after
            )
            for line in lines
            if line.untold is not None
        ]
        self._lines.put(untold)

    def _prefix(self, node: str | None) -> str:
        inside = f": {node}" if node and node != self._group else ""
        return f"[{self._group}{inside}] "


class _Stream:
    """One stream of a worker, and where it is copied to."""

    def __init__(self, name: Literal["stdout", "stderr"], source: IO[bytes]) -> None:
        self.name = name
        self.target: IO[str] = getattr(sys, name)
        self._source = source
        try:
            self._descriptor: int | None = source.fileno()
        except OSError:  # no file of this system: nobody can tell what is waiting in it
            self._descriptor = None
        self._lock = threading.Lock()
        self.done = 0
        """Bytes that have been worked on."""

    def chunks(self) -> Iterator[bytes]:
        """Yield what comes, and nothing at the end; each chunk is worked on under the lock."""
        with self._source:
            data = b"-"
            while data:
                if self._descriptor is not None:
                    self._wait()
                    with self._lock:
                        data = self._source.read(_CHUNK_BYTES)
                        yield data
                        self.done += len(data)
                else:
                    data = self._source.read(_CHUNK_BYTES)
                    with self._lock:
                        yield data
                        self.done += len(data)

    def _wait(self) -> None:
        ready = select.poll()
        ready.register(self._source)
        ready.poll()

    def written(self) -> int:
        """Return the bytes that have been written by now, as far as that can be known."""
        if not self._lock.acquire(timeout=_SETTLE_S):
            return 0
        try:
            if self._source.closed or self._descriptor is None:
                return 0
            waiting = fcntl.ioctl(self._source, termios.FIONREAD, struct.pack("i", 0))
            return self.done + int(struct.unpack("i", waiting)[0])
        finally:
            self._lock.release()


def _drained(queue: SimpleQueue[_Item]) -> list[_Item]:
    found = []
    while not queue.empty():
        found.append(queue.get())
    return found


def _as_seen(line: str) -> str:
    """Return the last state of a line that was written over, as a progress bar is; not too long."""
    shown = line.rpartition("\r")[2]
    if len(shown) <= _LONGEST_LINE:
        return shown
    return f"{shown[:_LONGEST_LINE]}… ({len(shown) - _LONGEST_LINE} more characters in the output)"


def _write(target: IO[str], text: str) -> None:
    """Copy some output; a copy that fails must not end the thread that reads the messages."""
    with suppress(OSError, ValueError):  # it is closed, or its disk is full
        try:
            target.write(text)
        except UnicodeEncodeError:  # the step's output is of a narrower encoding
            target.write(text.encode("ascii", "backslashreplace").decode())
        target.flush()
