"""Message writers that number what they send: to a file, to a bucket, or in frames.

The number travels as an extra field of the line, which a stock reader ignores. Knows nothing
of what the messages mean.
"""

from __future__ import annotations

import json
import os
import select
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from dagster_pipes import (
    PIPES_PROTOCOL_VERSION,
    PipesDefaultMessageWriter,
    PipesMessage,
    PipesMessageWriter,
    PipesMessageWriterChannel,
    PipesParams,
)
from kedro_manifest import __version__
from kedro_manifest.events import NUMBER_KEY
from kedro_manifest.frames import encode_frames
from kedro_manifest.invocation import BUCKET_PARAM, FRAMES_PARAM, PROTOCOL_VERSION

from kedro_pipes.worker.plain_data import plain

_STDOUT = 1


class NumberedMessageWriter(PipesMessageWriter[PipesMessageWriterChannel]):
    """Numbers every message from 1 and without a gap.

    Args:
        inner: Takes the numbered messages where neither a file nor frames are asked for. Default:
            one that writes to buckets, and what Pipes itself has.
    """

    def __init__(self, inner: PipesMessageWriter[PipesMessageWriterChannel] | None = None) -> None:
        self._inner = inner or PipesDefaultMessageWriter()
        self._knows_buckets = inner is None
        self._channel: NumberedChannel | None = None

    def last_number(self) -> int:
        """Return the number of the last message that was written."""
        return self._channel.last if self._channel else 0

    @contextmanager
    def open(self, params: PipesParams) -> Iterator[PipesMessageWriterChannel]:
        """Open the channel that the orchestrator's parameters ask for."""
        with self._lines(params) as lines:
            self._channel = NumberedChannel(lines)
            yield self._channel

    @contextmanager
    def _lines(self, params: PipesParams) -> Iterator[Lines]:
        if FRAMES_PARAM in params:
            with _private_copy(_STDOUT) as descriptor:
                yield FramedStream(descriptor)
        elif "path" in params and not os.path.isdir(params["path"]):  # noqa: PTH112 - a text
            with _appending(params["path"]) as descriptor:
                yield LinesOfFile(descriptor)
        elif self._knows_buckets and (BUCKET_PARAM in params or "path" in params):
            # Wanted only where messages go there: fsspec takes time to import.
            from kedro_pipes.worker.object_messages import ChunkedMessages  # noqa: PLC0415

            with ChunkedMessages(params).sent() as chunks:
                yield chunks
        else:
            with self._inner.open(params) as channel:
                yield ForeignChannel(channel)

    def get_opened_extras(self) -> dict[str, Any]:
        """Say who writes, so that the orchestrator can compare versions before anything runs."""
        return {
            **self._inner.get_opened_extras(),
            "kedro_pipes_version": __version__,
            "kedro_pipes_protocol": PROTOCOL_VERSION,
        }


class Lines(Protocol):
    """Where numbered messages go."""

    def write(self, number: int, line: bytes) -> None:
        """Write one message, JSON without line breaks, whole; or raise."""


class NumberedChannel(PipesMessageWriterChannel):
    """A channel whose lines carry their number. Safe to use from several threads.

    A process that a node forks inherits the channel, but not the right to its numbers: what it
    says goes out without one, and is never the stream's end.
    """

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._lock = threading.Lock()
        self.last = 0
        """Number of the last message that was written."""
        self._forked = False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._become_a_child)

    def write_message(self, message: PipesMessage) -> None:
        """Write one message; the number is used up only once the line is out."""
        if self._forked and message["method"] == "closed":
            return
        converted = self._write(message)
        if converted and message["method"] != "closed":
            said = f"Part of a '{message['method']}' message is no JSON and was sent as text."
            self._write(_make_log(said))

    def _write(self, message: Any) -> bool:
        with self._lock:
            number = self.last + 1
            numbering = {} if self._forked else {NUMBER_KEY: number}
            line, converted = encode_message({**message, **numbering})
            # Frames are put together by this number: a child's must not meet its parent's.
            self._lines.write(os.getpid() << 32 | number if self._forked else number, line)
            self.last = number
        return converted

    def _become_a_child(self) -> None:
        # Another thread may have held the lock when the process was forked.
        self._lock = threading.Lock()
        self.last = 0
        self._forked = True


class LinesOfFile:
    """Appends a line for each message to a file that the orchestrator reads while it grows."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, number: int, line: bytes) -> None:  # noqa: ARG002 - the line holds it
        """Write one line."""
        _write_all(self._descriptor, line + b"\n")


class FramedStream:
    """Writes frames to a stream that the node's own output goes to as well."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, number: int, line: bytes) -> None:
        """Write the frames of one message, each at once, after what was printed before."""
        if sys.stdout is not None and not sys.stdout.closed:
            sys.stdout.flush()
        for frame in encode_frames(number, line):
            _write_all(self._descriptor, frame)


class ForeignChannel:
    """Hands numbered messages to another writer's channel."""

    def __init__(self, channel: PipesMessageWriterChannel) -> None:
        self._channel = channel

    def write(self, number: int, line: bytes) -> None:  # noqa: ARG002 - the line holds it
        """Write one message."""
        self._channel.write_message(json.loads(line))


def encode_message(message: dict[str, Any]) -> tuple[bytes, bool]:
    """Return a message as JSON, and whether something in it had to become text for that."""
    try:
        return _json(message), False
    except (TypeError, ValueError, RecursionError):
        return _json(plain(message)), True


def _json(data: Any) -> bytes:
    text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def _make_log(text: str) -> dict[str, Any]:
    return {
        "__dagster_pipes_version": PIPES_PROTOCOL_VERSION,
        "method": "log",
        "params": {"message": text, "level": "WARNING"},
    }


@contextmanager
def _private_copy(descriptor: int) -> Iterator[int]:
    """A node may redirect or close its standard output; our copy still leads to the stream."""
    copy = os.dup(descriptor)
    try:
        yield copy
    finally:
        os.close(copy)


@contextmanager
def _appending(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[_write_some(descriptor, data) :]


def _write_some(descriptor: int, data: bytes) -> int:
    try:
        return os.write(descriptor, data)
    except BlockingIOError:  # somebody has made the stream non-blocking
        select.select([], [descriptor], [])
        return 0
