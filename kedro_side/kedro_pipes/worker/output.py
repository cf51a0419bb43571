"""The worker's standard streams, with marks that say whose each line is and what is told already.

Everything still goes to the stream at once, so that whatever ends the worker loses nothing, and
it is the reader's part to tell it. Python's own text streams are replaced by ones that mark what
they write; native code and subprocesses write beside them, and for these a mark says which node
is running. Knows streams and log records, no messages.
"""

from __future__ import annotations

import ctypes
import io
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from kedro_manifest.output_marks import mark

_DEEPEST_HANDLER = 20
"""Calls between a handler's `handle` and what it writes; more are not looked at, for speed."""

_HANDLING = logging.Handler.handle.__code__


class MarkedOutput:
    """Knows what the marks say at any moment.

    Args:
        position: Returns the number of the last message that was sent.
    """

    def __init__(self, position: Callable[[], int]) -> None:
        self._position = position
        self._streams: list[_MarkedStream] = []
        self._running: list[str] = []
        self._is_copy = False
        self.node_of_thread: Callable[[], str | None] = lambda: None
        """Returns the node that prints."""
        self.is_forwarded: Callable[[logging.LogRecord], bool] = lambda _: False
        """Tells whether a record goes out as a message besides."""

    def replace_streams(self) -> None:
        """Put marking streams in place of `sys.stdout` and `sys.stderr`."""
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if isinstance(stream, io.TextIOWrapper):
                marked = _MarkedStream(stream, self)
                # Kept here as well: a stream that nobody holds closes its descriptor.
                self._streams.append(marked)
                setattr(sys, name, marked)

    def start_over(self, position: Callable[[], int]) -> None:
        """Mark what goes to other descriptors now, for another sender of messages."""
        self._position = position
        self._running.clear()
        self._is_copy = False
        self.node_of_thread = lambda: None
        self.is_forwarded = lambda _: False
        for stream in self._streams:
            stream.start_over()

    def begin_node(self, node: str) -> None:
        """Say that a node runs."""
        self._running.append(node)
        self._say_who()

    def end_node(self, node: str) -> None:
        """Say that a node has ended."""
        with suppress(ValueError):
            self._running.remove(node)
        self._say_who()

    def copying(self) -> None:
        """Treat what is written from now on as told already."""
        self._is_copy = True

    def marked(self, text: str, frame: FrameType, said: int) -> tuple[str, int]:
        """Return what somebody writes, with a mark where one is needed.

        Args:
            text: What is written.
            frame: Where.
            said: Number in the stream's last mark.

        Returns:
            Also the number that the stream has said now.
        """
        record = _record_in_hand(frame)
        position, node = self._position(), self.node_of_thread() or ""
        if self._is_copy or (record is not None and self.is_forwarded(record)):
            return mark("log", position, node, text), position
        if node != self._said_node:
            # Of one of several that run at the same time, or of a thread that is nobody's.
            return mark("out", position, node, text), position
        if position != said:
            return f"{mark('out', position, node)}{text}", position
        return text, said

    @property
    def _said_node(self) -> str:
        """Whose output is that has no mark."""
        return self._running[0] if len(self._running) == 1 else ""

    def _say_who(self) -> None:
        for stream in self._streams:
            stream.write_as_it_is(mark("now", self._position(), self._said_node))


class _MarkedStream(io.TextIOWrapper):
    """A text stream to the same descriptor."""

    def __init__(self, stream: io.TextIOWrapper, output: MarkedOutput) -> None:
        super().__init__(
            stream.buffer, encoding=stream.encoding, errors=stream.errors, write_through=True
        )
        self._output = output
        self.start_over()

    def start_over(self) -> None:
        """Take where the descriptor leads to now for the place of marks."""
        self._said = 0
        self._place = self._where()

    def write(self, text: str) -> int:
        """Write with a mark, unless a node has led the descriptor elsewhere."""
        frame = sys._getframe(1)  # noqa: SLF001 - what `inspect.currentframe` is, and cheap
        marked, said = self._output.marked(text, frame, self._said)
        if marked is not text and self._where() == self._place:
            text, self._said = marked, said
        super().write(text)
        self.flush()
        return len(text)

    def write_as_it_is(self, text: str) -> None:
        """Write a mark alone."""
        with suppress(OSError, ValueError):  # a node has closed it
            if self._where() == self._place:
                super().write(text)
                self.flush()

    def _where(self) -> tuple[int, int]:
        status = os.fstat(self.fileno())
        return status.st_dev, status.st_ino


def flush_native_output() -> None:
    """Let go of what C code has printed and still holds: it would come under another node."""
    if os.name == "posix":
        ctypes.CDLL(None).fflush(None)


def _record_in_hand(frame: FrameType | None) -> logging.LogRecord | None:
    """Return the record that a handler is writing here; None if it is nobody's."""
    for _ in range(_DEEPEST_HANDLER):
        if frame is None:
            break
        if frame.f_code is _HANDLING:
            record = frame.f_locals.get("record")
            return record if isinstance(record, logging.LogRecord) else None
        frame = frame.f_back
    return None
