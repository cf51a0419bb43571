"""A container's log as one stream of bytes, through connections that break.

Each line of the log has its time. A connection that is opened anew reads again from the second
before the last line that was read, and leaves out the lines that have been handed on: a line is
known by all of it, with its time, as often as it came. What the cluster has thrown away meanwhile is
missing; the numbers of the messages tell.
"""

from __future__ import annotations

import io
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Protocol

_SILENCE_S = 60.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 2.0
_OVERLAP = timedelta(seconds=1)
_SECOND = len("2026-11-01T12:00:00")


class LogBrokenError(Exception):
    """The connection to a log broke, or could not be made; another one may do."""


class LogGoneError(Exception):
    """There is no such log any more."""


class ReadLog(Protocol):
    """Reads a log from some time on, with the time before each line."""

    def __call__(self, *, since: str | None, follow: bool, silence_s: float) -> Iterator[bytes]:
        """Yield its bytes as they come.

        Raises:
            LogBrokenError: The connection broke.
            LogGoneError: There is no such log any more.
        """


class LogStream(io.RawIOBase):
    """A log to be read as from a pipe, by one thread.

    Args:
        read_log: Opens it.
        has_started: Waits until there may be a log; returns whether that came within some seconds.
        is_over: Tells whether nothing more will be written.
    """

    def __init__(
        self,
        read_log: ReadLog,
        has_started: Callable[[float], bool],
        is_over: Callable[[float], bool],
    ) -> None:
        super().__init__()
        self._read_log = read_log
        self._has_started = has_started
        self._is_over = is_over
        self._closing = threading.Event()
        self._seen = SeenLines()
        self._chunks = self._all_chunks()

    def read(self, _size: int = -1) -> bytes:
        """Return the next bytes, whatever their number; none at the end."""
        return next(self._chunks, b"")

    def give_up(self) -> None:
        """Let `read` come to its end, as soon as it notices."""
        self._closing.set()

    def _all_chunks(self) -> Iterator[bytes]:
        while not self._has_started(_LONGEST_PAUSE_S):
            if self._closing.is_set():
                return
        pause_s = _FIRST_PAUSE_S
        while not self._closing.is_set():
            # What was written before the end is in what is read after it.
            was_over = self._is_over(0)
            try:
                for data in self._read_once(follow=not was_over, is_last=was_over):
                    pause_s = _FIRST_PAUSE_S
                    yield data
                if was_over or self._is_over(_FIRST_PAUSE_S):
                    if was_over:
                        return
                    continue
            except LogGoneError:
                return
            except LogBrokenError:
                pass
            self._closing.wait(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _read_once(self, *, follow: bool, is_last: bool) -> Iterator[bytes]:
        self._seen.begin_again()
        rest = b""
        for data in self._read_log(since=self._seen.since, follow=follow, silence_s=_SILENCE_S):
            *lines, rest = (rest + data).split(b"\n")
            if fresh := self._seen.leave_out(lines):
                yield b"".join(line + b"\n" for line in fresh)
        if rest and is_last:
            # Only the end of a log may be the middle of a line.
            yield from self._seen.leave_out([rest])


class SeenLines:
    """Knows which lines of a log have been handed on, as far back as they may come again."""

    def __init__(self) -> None:
        self._by_second: dict[bytes, Counter[int]] = {}
        self._expected: Counter[int] = Counter()
        self._newest = b""

    @property
    def since(self) -> str | None:
        """The time from which the log has to be read; None for all of it."""
        if not self._newest:
            return None
        second = datetime.fromisoformat(self._newest.decode()).replace(tzinfo=timezone.utc)
        return (second - _OVERLAP).strftime("%Y-%m-%dT%H:%M:%SZ")

    def begin_again(self) -> None:
        """Expect the lines that a new connection brings again."""
        self._expected = Counter()
        for lines in self._by_second.values():
            self._expected.update(lines)

    def leave_out(self, lines: list[bytes]) -> list[bytes]:
        """Return the lines that are new, without their times."""
        fresh = []
        for line in lines:
            time, _, text = line.partition(b" ")
            key = hash(line)
            if self._expected and self._expected[key] > 0:
                self._expected[key] -= 1
                continue
            self._keep(time[:_SECOND], key)
            fresh.append(text)
        return fresh

    def _keep(self, second: bytes, key: int) -> None:
        if second > self._newest:
            self._newest = second
            # Two seconds are read again, the newest and the one before it.
            kept = sorted(self._by_second)[-1:]
            self._by_second = {each: self._by_second[each] for each in kept}
        self._by_second.setdefault(second, Counter())[key] += 1
