"""Read a worker's messages so that nothing is lost in silence.

A stream is bytes cut into lines. Lines of our worker are numbered from 1 and end with the
`closed` message; lines of any other Pipes program have no number. Knows nothing of what the
messages mean, nor of Dagster.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import msgspec
from kedro_manifest.events import NUMBER_KEY

from dagster_kedro.errors import ChannelIncompleteError

LAST_METHOD = "closed"
_SHOWN_NUMBERS = 5


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One Pipes message."""

    method: str
    params: dict[str, Any] = {}
    number: int | None = None


class _Line(msgspec.Struct, frozen=True):
    """A message as it is written; fields that are not known here are nobody's loss."""

    method: str
    params: dict[str, Any] | None = None
    number: Annotated[int, msgspec.Meta(ge=1)] | None = msgspec.field(default=None, name=NUMBER_KEY)


_LINE_DECODER = msgspec.json.Decoder(_Line)


class MessageFile:
    """The file that a worker appends its lines to, read while it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._partial = b""

    def read_lines(self) -> list[bytes]:
        """Return the complete lines that have come since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ChannelIncompleteError(
                f"Cannot trust the result of the worker: the messages cannot be read from "
                f"'{self._path}': {error.strerror}. Keep nodes away from that file."
            ) from error
        self._offset += len(data)
        *lines, self._partial = (self._partial + data).split(b"\n")
        return lines

    def read_rest(self) -> list[bytes]:
        """Return the remaining lines, the last one even if it is cut off."""
        lines = self.read_lines()
        if self._partial:
            lines.append(self._partial)
            self._partial = b""
        return lines


class MessageStream:
    """Turns lines into messages in the order of their numbers, and knows what is missing."""

    def __init__(self) -> None:
        self._next = 1
        self._early: dict[int, Message] = {}
        self._seen: dict[int, int] = {}
        """Checksum of the line that came under each number."""
        self._numbered = False
        self._closed = False
        self._problems: list[str] = []

    def feed(self, line: bytes) -> Iterator[Message]:
        """Take one line; yield the messages that are now in order."""
        if not line.strip():
            return
        message = self._decode(line)
        if message is None:
            return
        if message.number is None:
            self._closed |= message.method == LAST_METHOD
            yield message
            return
        self._numbered = True
        checksum = zlib.crc32(line.strip())
        if self._seen.setdefault(message.number, checksum) != checksum:
            self._problems.append(f"two different messages have the number {message.number}")
        if message.number >= self._next:  # else it came before, and the first one counts
            self._early.setdefault(message.number, message)
        yield from self._in_order()

    @property
    def last_number(self) -> int:
        """Number of the last message that was handed on in order."""
        return self._next - 1

    def defects(self) -> list[str]:
        """Return what is wrong with the stream so far; empty only after a clean, complete end."""
        defects = list(self._problems)
        if self._early:
            defects.append(self._describe_missing())
        if not self._closed:
            last = f" after message {self._next - 1}" if self._numbered else ""
            defects.append(f"the stream ended{last} without its closing message")
        return defects

    def _in_order(self) -> Iterator[Message]:
        while (message := self._early.pop(self._next, None)) is not None:
            self._next += 1
            self._closed |= message.method == LAST_METHOD
            yield message

    def _decode(self, line: bytes) -> Message | None:
        try:
            decoded = _decode_line(line)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            shown = line[:80].decode(errors="replace")
            self._problems.append(f"a line of {len(line)} bytes is no message: {shown!r}")
            return None
        return Message(method=decoded.method, params=decoded.params or {}, number=decoded.number)

    def _describe_missing(self) -> str:
        # A damaged number may be enormous: the missing ones are counted, never listed.
        numbers = range(self._next, max(self._early))
        count = len(numbers) - len(self._early) + 1
        first = islice((n for n in numbers if n not in self._early), _SHOWN_NUMBERS)
        shown = ", ".join(map(str, first))
        more = f" and {count - _SHOWN_NUMBERS} more" if count > _SHOWN_NUMBERS else ""
        return f"message {shown}{more} never arrived"


def _decode_line(line: bytes) -> _Line:
    try:
        return _LINE_DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # Python's own writer, and so the stock Pipes library, knows NaN and lone surrogates.
        return msgspec.convert(json.loads(line), _Line)
