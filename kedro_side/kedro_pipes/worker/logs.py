"""Log records on their way to Dagster, with logger, node and traceback; handlers made fit for it.

The project's own handlers stay as they are, but for those that draw on a terminal: there is
none. Knows logging and a function that takes lines; nothing of Pipes or Kedro.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

STANDARD_LEVELS = (
    (logging.CRITICAL, "CRITICAL"),
    (logging.ERROR, "ERROR"),
    (logging.WARNING, "WARNING"),
    (logging.INFO, "INFO"),
)
PLAIN_FORMAT = "%(asctime)s %(levelname)-8s %(name)s: %(message)s"
ROOT = "root"
_KEDRO = "kedro"
"""Logger of Kedro itself, whose progress reaches Dagster as events."""
_FORWARDED = "kedro_pipes_forwarded"
"""Attribute of a record that several loggers hand to us."""


class ForwardingHandler(logging.Handler):
    """Hands each record to `forward(message, level)` as one text.

    Args:
        forward: Takes the text and one of the five standard level names.
        whose: Returns the name of the node that is running, else of the group.
        level: Lowest level that is forwarded; of Kedro itself nothing below a warning, unless
            this is DEBUG.
        levels: The same by logger, of it and what is below it.
    """

    def __init__(
        self,
        forward: Callable[[str, str], None],
        whose: Callable[[], str],
        level: str,
        levels: Mapping[str, str],
    ) -> None:
        super().__init__()
        self._forward = forward
        self._whose = whose
        self._asked = {name: _number(chosen) for name, chosen in levels.items()}
        lowest = self._asked.get(ROOT, _number(level))
        of_kedro = lowest if lowest <= logging.DEBUG else max(lowest, logging.WARNING)
        self._levels = {ROOT: lowest, _KEDRO: of_kedro, **self._asked}

    def filter(self, record: logging.LogRecord) -> Any:
        """Let pass what is of the level that its logger has here, once."""
        if record.levelno < self._level_of(record.name) or hasattr(record, _FORWARDED):
            return False
        return super().filter(record)

    def emit(self, record: logging.LogRecord) -> None:
        """Forward one record; a failure goes to `logging`'s own error handling."""
        setattr(record, _FORWARDED, True)
        try:
            self._forward(self._text(record), standard_level(record.levelno))
        except Exception:  # noqa: BLE001 - a log line must never fail the user's node
            self.handleError(record)

    def is_reached_by(self, record: logging.LogRecord) -> bool:
        """Tell whether a record comes here, forwarded or not: a copy of it need not be told."""
        # `getLogger` takes a lock, which must not be asked for while a handler holds its own.
        known = logging.Logger.manager.loggerDict
        found = logging.getLogger() if record.name == ROOT else known.get(record.name)
        logger = found if isinstance(found, logging.Logger) else None
        while logger is not None:
            if self in logger.handlers:
                return True
            logger = logger.parent if logger.propagate else None
        return False

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Listen while this lasts."""
        for name, level in self._asked.items():
            logger = logging.getLogger(name)
            if logger.getEffectiveLevel() > level:  # it would not even make what is asked for
                logger.setLevel(level)
        self.listen()
        logging.captureWarnings(capture=True)
        try:
            yield
        finally:
            self.detach()

    def detach(self) -> None:
        """Listen to nobody any more."""
        for logger in (logging.getLogger(), *_loggers()):
            logger.removeHandler(self)

    def listen(self) -> None:
        """Listen to every logger, those that keep their records to themselves included.

        To be called again where modules may have been imported, or logging configured anew.
        """
        aloof = (each for each in _loggers() if not each.propagate)
        for logger in (logging.getLogger(), *aloof):
            logger.addHandler(self)  # once only, however often

    def _level_of(self, name: str) -> int:
        while name not in self._levels:
            name = name.rpartition(".")[0] or ROOT
        return self._levels[name]

    def _text(self, record: logging.LogRecord) -> str:
        return f"[{self._whose()}] {record.name}: {self.format(record)}"


def detach_forwarding() -> None:
    """Take out what forwards to whom this process was forked from."""
    known = {
        handler for logger in (logging.getLogger(), *_loggers()) for handler in logger.handlers
    }
    for handler in known:
        if isinstance(handler, ForwardingHandler):
            handler.detach()


def replace_terminal_handlers() -> None:
    """Let handlers that draw on a terminal with rich write plain lines instead.

    Rich breaks lines at 80 columns where there is no terminal, and pads them where it believes
    in a wide one. Level and filters are kept.
    """
    rich: Any = sys.modules.get("rich.logging")
    for logger in (logging.getLogger(), *_loggers()) if rich else ():
        for handler in list(logger.handlers):
            if isinstance(handler, rich.RichHandler):
                at = logger.handlers.index(handler)
                logger.removeHandler(handler)
                logger.addHandler(_plain(handler))
                logger.handlers.insert(at, logger.handlers.pop())
    if getattr(sys.excepthook, "__module__", "") == "rich.traceback":
        sys.excepthook = sys.__excepthook__


def _plain(handler: Any) -> logging.Handler:
    plain = logging.StreamHandler(sys.stderr if handler.console.stderr else sys.stdout)
    plain.setFormatter(logging.Formatter(PLAIN_FORMAT))
    plain.setLevel(handler.level)
    plain.filters = list(handler.filters)
    return plain


def _loggers() -> list[logging.Logger]:
    known = list(logging.Logger.manager.loggerDict.values())
    return [each for each in known if isinstance(each, logging.Logger)]


def _number(level: str) -> int:
    number = logging.getLevelName(level)
    if not isinstance(number, int):
        raise ValueError(  # noqa: TRY004 - the name is what is wrong
            f"Cannot log at level '{level}': expected DEBUG, INFO, WARNING, ERROR or CRITICAL. "
            "Correct it where the run is configured."
        )
    return number


def standard_level(number: int) -> str:
    """Return the standard level at or below a number: Dagster refuses any other name."""
    return next((name for level, name in STANDARD_LEVELS if number >= level), "DEBUG")
