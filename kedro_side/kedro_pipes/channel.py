"""Message writers that number what they send, over any Pipes message writer.

The number travels as an extra field of the line, which a stock reader ignores. Knows nothing
of what the messages mean.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dagster_pipes import (
    PipesDefaultMessageWriter,
    PipesMessage,
    PipesMessageWriter,
    PipesMessageWriterChannel,
    PipesParams,
)
from kedro_manifest import __version__
from kedro_manifest.events import NUMBER_KEY
from kedro_manifest.invocation import PROTOCOL_VERSION


class NumberedMessageWriter(PipesMessageWriter[PipesMessageWriterChannel]):
    """Adds a number to each message of the writer it wraps, from 1 and without a gap."""

    def __init__(self, inner: PipesMessageWriter[PipesMessageWriterChannel] | None = None) -> None:
        self._inner = inner or PipesDefaultMessageWriter()

    @contextmanager
    def open(self, params: PipesParams) -> Iterator[PipesMessageWriterChannel]:
        """Open the wrapped writer's channel."""
        with self._inner.open(params) as channel:
            yield NumberedChannel(channel)

    def get_opened_extras(self) -> dict[str, Any]:
        """Say who writes, so that the orchestrator can compare versions before anything runs."""
        return {
            **self._inner.get_opened_extras(),
            "kedro_pipes_version": __version__,
            "kedro_pipes_protocol": PROTOCOL_VERSION,
        }


class NumberedChannel(PipesMessageWriterChannel):
    """A channel whose lines carry their number. Safe to use from several threads."""

    def __init__(self, inner: PipesMessageWriterChannel) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self._last = 0

    def write_message(self, message: PipesMessage) -> None:
        """Write one message; the number is taken only once the line is out."""
        with self._lock:
            numbered: Any = {**message, NUMBER_KEY: self._last + 1}
            self._inner.write_message(numbered)
            self._last += 1
