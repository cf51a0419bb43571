"""Log lines that come in a crowd, put together: each entry costs Dagster's database milliseconds.

Where lines come one by one, each stays an entry of its own. Knows log lines, not what they say.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from dagster_kedro.results.wording import LogLine

CROWD = 100
"""More messages of one worker in a second are a crowd."""
_SECOND_S = 1.0
_INTERVAL_S = 0.25
_LONGEST_ENTRY = 64 * 1024


class Bursts:
    """Hands on outcomes, in order.

    Args:
        emit: Takes them.
    """

    def __init__(self, emit: Callable[[Any], object]) -> None:
        self._emit = emit
        self._crowded = False
        self._since_s = 0.0
        self._last_s = 0.0
        self._count = 0
        self._level = ""
        self._texts: list[str] = []
        self._size = 0

    def begin(self, messages: int) -> None:
        """Say how many messages have come now."""
        now_s = time.monotonic()
        if now_s - self._since_s >= _SECOND_S:
            self._since_s, self._count = now_s, 0
        self._count += messages
        self._crowded = self._count > CROWD

    def emit(self, outcome: Any) -> None:
        """Hand an outcome on, or keep a log line for the next of the same level."""
        if not (self._crowded and isinstance(outcome, LogLine) and outcome.event is None):
            self.end()
            self._emit(outcome)
            return
        if outcome.level != self._level or self._size + len(outcome.message) > _LONGEST_ENTRY:
            self.end()
        self._level = outcome.level
        self._texts.append(outcome.message)
        self._size += len(outcome.message) + 1

    def pause(self) -> None:
        """Hand on what is kept, if it is time again."""
        if time.monotonic() - self._last_s >= _INTERVAL_S:
            self.end()

    def end(self) -> None:
        """Hand on what is kept."""
        if self._texts:
            self._last_s = time.monotonic()
            self._emit(LogLine("\n".join(self._texts), self._level))
            self._texts, self._size = [], 0
