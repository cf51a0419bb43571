"""Keeps requests to a number in a second, so that hundreds of pods do not flood an API server.

Knows no requests.
"""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext


class RateLimit:
    """Lets callers through one after another, and a second's worth at once after a rest.

    Args:
        per_s: How many in a second.
    """

    def __init__(self, per_s: float) -> None:
        self._every_s = 1 / per_s
        self._due_at = 0.0
        self._lock = threading.Lock()
        self._queue = threading.Lock()

    def wait(self, *, is_urgent: bool = False) -> None:
        """Wait until it is the caller's turn; who is urgent passes the others by."""
        with nullcontext() if is_urgent else self._queue:
            time.sleep(self._reserve_s())

    def _reserve_s(self) -> float:
        """Take the next place; return the seconds until then."""
        with self._lock:
            now = time.monotonic()
            self._due_at = max(self._due_at, now - 1) + self._every_s
            return max(0.0, self._due_at - now)
