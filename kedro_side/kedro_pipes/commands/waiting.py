"""What takes so long, for a person who waits at a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic

_SILENT_S = 2.0
_CLEAR = "\x1b[K\r"
"""To the end of the line, and back to its beginning: whatever is written next goes over it."""


@contextmanager
def waiting(doing: str) -> Iterator[None]:
    """Say on standard error what is being done, and for how long, once that takes two seconds.

    Only where that is a terminal; nothing of it stays there.
    """
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield
        return
    done = Event()
    teller = Thread(target=_tell, args=(doing, done), daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def _tell(doing: str, done: Event) -> None:
    began_s = monotonic()
    wait_s = _SILENT_S
    while not done.wait(wait_s):
        _write(f"{doing} … {monotonic() - began_s:.0f} s{_CLEAR}")
        wait_s = 1.0
    if wait_s != _SILENT_S:
        _write(_CLEAR)


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
