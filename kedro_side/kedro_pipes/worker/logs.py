"""A logging handler that forwards every record, with its logger, node and traceback.

Knows logging and a function that takes lines; nothing of Pipes or Kedro.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

STANDARD_LEVELS = (
    (logging.CRITICAL, "CRITICAL"),
    (logging.ERROR, "ERROR"),
    (logging.WARNING, "WARNING"),
    (logging.INFO, "INFO"),
)


class ForwardingHandler(logging.Handler):
    """Hands each record to `forward(message, level)` as one text.

    Args:
        forward: Takes the text and one of the five standard level names.
        current_node: Returns the name of the node that is running, if any.
    """

    def __init__(
        self, forward: Callable[[str, str], None], current_node: Callable[[], str | None]
    ) -> None:
        super().__init__()
        self._forward = forward
        self._current_node = current_node

    def emit(self, record: logging.LogRecord) -> None:
        """Forward one record; a failure goes to `logging`'s own error handling."""
        try:
            self._forward(self._text(record), standard_level(record.levelno))
        except Exception:  # noqa: BLE001 - a log line must never fail the user's node
            self.handleError(record)

    def _text(self, record: logging.LogRecord) -> str:
        node = self._current_node()
        place = f"[{node}] " if node else ""
        return f"{place}{record.name}: {self.format(record)}"


def standard_level(number: int) -> str:
    """Return the standard level at or below a number: Dagster refuses any other name."""
    return next((name for level, name in STANDARD_LEVELS if number >= level), "DEBUG")
