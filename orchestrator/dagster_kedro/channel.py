"""Read a worker's messages so that nothing is lost in silence.

A stream is bytes cut into lines. Lines of our worker are numbered from 1 and end with the
`closed` message; lines of any other Pipes program have no number. Knows nothing of what the
messages mean, nor of Dagster.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from kedro_manifest.events import NUMBER_KEY

LAST_METHOD = "closed"
_SHOWN_NUMBERS = 5


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One Pipes message."""

    method: str
    params: dict[str, Any] = {}
    number: int | None = None


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
        self._early: list[tuple[int, Message]] = []
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
        # A line that came twice is the same message: the first one counts.
        if message.number >= self._next:
            heapq.heappush(self._early, (message.number, message))
        yield from self._in_order()

    def defects(self) -> list[str]:
        """Return what is wrong with the stream so far; empty only after a clean, complete end."""
        defects = list(self._problems)
        if self._early:
            waiting = {number for number, _ in self._early}
            missing = [n for n in range(self._next, max(waiting)) if n not in waiting]
            defects.append(_describe_missing(missing))
        if not self._closed:
            last = f" after message {self._next - 1}" if self._numbered else ""
            defects.append(f"the stream ended{last} without its closing message")
        return defects

    def _in_order(self) -> Iterator[Message]:
        while self._early and self._early[0][0] <= self._next:
            number, message = heapq.heappop(self._early)
            if number < self._next:
                continue
            self._next += 1
            self._closed |= message.method == LAST_METHOD
            yield message

    def _decode(self, line: bytes) -> Message | None:
        try:
            raw = msgspec.json.decode(line)
            return Message(
                method=raw["method"], params=raw.get("params") or {}, number=raw.get(NUMBER_KEY)
            )
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
            shown = line[:80].decode(errors="replace")
            self._problems.append(f"a line of {len(line)} bytes is no message: {shown!r}")
            return None


def _describe_missing(missing: list[int]) -> str:
    shown = ", ".join(map(str, missing[:_SHOWN_NUMBERS]))
    more = f" and {len(missing) - _SHOWN_NUMBERS} more" if len(missing) > _SHOWN_NUMBERS else ""
    return f"message {shown}{more} never arrived"
