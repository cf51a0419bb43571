"""Copies what a worker writes to its standard streams, and finds framed messages in it."""

from __future__ import annotations

import sys
import threading
from collections import deque
from contextlib import suppress
from queue import SimpleQueue
from typing import IO

from kedro_manifest.frames import FrameReader

_LAST_LINES = 20
_CHUNK_BYTES = 64 * 1024
_LONGEST_LINE_BYTES = 64 * 1024
_JOIN_S = 5.0


class OutputPump:
    """Reads a worker's two streams until they end; its own threads do the work.

    Args:
        group: Name of the group, put before each line that is copied.
        stdout: The worker's standard output, unbuffered.
        stderr: The worker's standard error, unbuffered.
    """

    def __init__(self, group: str, stdout: IO[bytes], stderr: IO[bytes]) -> None:
        self._prefix = f"[{group}] "
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self._messages: SimpleQueue[bytes] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._copy, args=streams, daemon=True)
            for streams in ((stdout, sys.stdout), (stderr, sys.stderr))
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until everything is copied; bounded, since a grandchild may hold the stream."""
        for thread in self._threads:
            thread.join(_JOIN_S)

    def messages(self) -> list[bytes]:
        """Return the framed messages that have come since the last call."""
        found = []
        while not self._messages.empty():
            found.append(self._messages.get())
        return found

    def last_lines(self) -> list[str]:
        """Return the last lines of both streams, in the order in which they were read."""
        return list(self._last)

    def _copy(self, source: IO[bytes], target: IO[str]) -> None:
        reader = FrameReader()
        with source:
            while data := source.read(_CHUNK_BYTES):
                self._sort(*reader.feed(data), target)
            self._sort(*reader.close(), target)

    def _sort(self, messages: list[bytes], output: list[bytes], target: IO[str]) -> None:
        for message in messages:
            self._messages.put(message)
        for line in output:
            text = line[:_LONGEST_LINE_BYTES].decode(errors="replace").rstrip("\r")
            self._last.append(text)
            _write(target, f"{self._prefix}{text}\n")
        if output:
            with suppress(OSError, ValueError):
                target.flush()


def _write(target: IO[str], text: str) -> None:
    """Copy some output; a copy that fails must not end the thread that reads the messages."""
    try:
        target.write(text)
    except UnicodeEncodeError:  # the step's output is of a narrower encoding
        target.write(text.encode("ascii", "backslashreplace").decode())
    except (OSError, ValueError):  # it is closed, or its disk is full
        return
