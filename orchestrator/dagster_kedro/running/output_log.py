"""What a worker prints, as entries of the run's log: in order, live, and within bounds.

Each entry costs Dagster's database milliseconds. So the first line is told at once, and what
follows in a quarter of a second shares an entry, unless a message comes in between. Knows no
Dagster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import groupby

from dagster_kedro.clients.base import OutputLine
from dagster_kedro.results.wording import LogLine, describe_output

TOLD_CHARACTERS = 2 * 2**20
"""Of one worker's output; what is beyond stands in the step's output only."""

_INTERVAL_S = 0.25
_LONGEST_ENTRY = 64 * 1024
_MOST_WAITING = 10_000
_MANY_RUNS = 10
"""So many changes between nodes and streams in one entry's time are not told one by one."""


class OutputLog:
    """Tells the output of one worker.

    Args:
        group: Name of its group, for lines of no node.
        level: At which lines are told; None for not at all.
        emit: Takes each entry.
    """

    def __init__(self, group: str, level: str | None, emit: Callable[[LogLine], object]) -> None:
        self._group = group
        self._level = level
        self._emit = emit
        self._waiting: list[OutputLine] = []
        self._last_s = float("-inf")
        self._room = TOLD_CHARACTERS
        self._untold_lines = 0

    def add(self, lines: list[OutputLine]) -> None:
        """Take lines that have come."""
        if self._level is not None and lines:
            self._waiting += lines
            self._waiting.sort(key=lambda line: line.after)

    def tell_before(self, number: int) -> None:
        """Tell what was written before a message was sent."""
        count = next(
            (at for at, line in enumerate(self._waiting) if line.after >= number),
            len(self._waiting),
        )
        self._tell(count)

    def tell_due(self, last: int) -> None:
        """Tell what was written after some message, and no later one, if it is time again."""
        if time.monotonic() - self._last_s >= _INTERVAL_S:
            self.tell_before(last + 1)
            if len(self._waiting) > _MOST_WAITING:  # the message is lost that they wait for
                self._tell(len(self._waiting))

    def finish(self) -> None:
        """Tell the rest, and what was not told."""
        self._tell(len(self._waiting))
        if self._untold_lines:
            self._emit(
                LogLine(
                    f"[{self._group}] {self._untold_lines} more lines of its output are in the "
                    "step's output (stdout, stderr) only.",
                    "warning",
                )
            )
            self._untold_lines = 0

    def _tell(self, count: int) -> None:
        if not count:
            return
        lines, self._waiting = self._waiting[:count], self._waiting[count:]
        self._last_s = time.monotonic()
        runs = [(key, list(run)) for key, run in groupby(lines, _source)]
        if len(runs) > _MANY_RUNS:
            by_source = sorted(lines, key=lambda line: (line.node or "", line.stream))
            runs = [(key, list(run)) for key, run in groupby(by_source, _source)]
        for (node, stream), run in runs:
            for texts in _entries(self._within_room(run)):
                said = describe_output(node or self._group, stream, texts)
                self._emit(LogLine(said, self._level or "info"))

    def _within_room(self, lines: list[OutputLine]) -> list[str]:
        texts = []
        for line in lines:
            size = len(line.text) + 1
            if size > self._room:
                self._room = 0
                self._untold_lines += 1
            else:
                self._room -= size
                texts.append(line.text)
        return texts


def _source(line: OutputLine) -> tuple[str | None, str]:
    return line.node, line.stream


def _entries(texts: list[str]) -> Iterator[list[str]]:
    """Yield the lines of each entry: as many as it may hold, and one at least."""
    entry: list[str] = []
    size = 0
    for text in texts:
        if entry and size + len(text) > _LONGEST_ENTRY:
            yield entry
            entry, size = [], 0
        entry.append(text)
        size += len(text) + 1
    if entry:
        yield entry
