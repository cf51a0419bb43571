"""Loggers of `dagster.yml`: what a run logs, written by handlers of `logging`.

Definition time, and the start of a run, when the handlers are made. Knows no jobs.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from logging.config import DictConfigurator
from pathlib import Path
from typing import Any

import dagster as dg
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration.job_checks import CONSOLE, LOG_LEVELS
from kedro_manifest.orchestration.jobs import Logger

from dagster_kedro.sharing import Shared

_PLAIN = {"format": "%(asctime)s - %(name)s - %(levelname)s - %(message)s"}
_TO_STDOUT = {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}
_OF_A_FORMATTER = {"class", "format", "datefmt", "style", "validate", "defaults"}
_DEFAULT = "kedro_pipes.default"
_LOGGERS: Shared[dg.LoggerDefinition] = Shared()
_LEVELS = dg.Enum("kedro_logger_level", [dg.EnumValue(level) for level in LOG_LEVELS])


def logger_definition(
    name: str, described: Logger, project_dir: Path, place: str
) -> dg.LoggerDefinition:
    """Return a Dagster logger that writes with the handlers of an entry.

    Equal arguments give the same object, so that definitions with it can be merged.

    Args:
        name: Of the logger, as `%(name)s` shows it.
        described: The entry.
        project_dir: Where relative file names start.
        place: Dotted keys of the entry, for errors.

    Raises:
        OrchestrationError: A formatter or filter cannot be made, or a handler's class is not there.
    """
    _Handlers(described, project_dir, place).check()
    arguments = (name, described, project_dir, place)
    return _LOGGERS.get(arguments, lambda: _definition(*arguments))


def _definition(name: str, described: Logger, project_dir: Path, place: str) -> dg.LoggerDefinition:
    def start(context: dg.InitLoggerContext) -> logging.Logger:
        # Not known to `logging`, so that nothing else is configured or written to besides.
        logger = logging.getLoggerClass()(name, context.logger_config["log_level"])
        for handler in _Handlers(described, project_dir, place).made():
            logger.addHandler(handler)
        return logger

    level = dg.Field(_LEVELS, is_required=False, default_value=described.log_level.upper())
    return dg.LoggerDefinition(
        start, config_schema={"log_level": level}, description=f"`{place}` of dagster.yml."
    )


def selecting(keys: list[str], *, with_console: bool) -> dict[str, Any]:
    """Return the run configuration that turns loggers on, and nothing where there are none.

    Args:
        keys: Of the loggers.
        with_console: Whether Dagster's own console stays on, as it is without any configuration.
    """
    if not keys:
        return {}
    console: dict[str, Any] = {CONSOLE: {"config": {"log_level": "DEBUG"}}} if with_console else {}
    return {"loggers": {**{key: {} for key in keys}, **console}}


class _Handlers:
    """The handlers of one logger, made by `logging.config` itself."""

    def __init__(self, described: Logger, project_dir: Path, place: str) -> None:
        self._place = place
        self._handlers = [
            self._handler(handler, project_dir) for handler in described.handlers or [_TO_STDOUT]
        ]
        self._formatters = {
            _DEFAULT: dict(_PLAIN),
            **{name: _formatter(each) for name, each in described.formatters.items()},
        }
        self._filters = {name: _called(each) for name, each in described.filters.items()}

    def check(self) -> None:
        """See that everything can be made, without opening what a handler writes to."""
        configurator = self._configurator()
        for number, handler in enumerate(self._handlers):
            if isinstance(handler.get("class"), str):
                self._make(configurator.resolve, handler["class"], f"handlers.{number}.class")

    def made(self) -> list[logging.Handler]:
        configurator = self._configurator()
        described = configurator.config["handlers"]
        # By number: only then does `logging` resolve what `ext://` stands for.
        return [
            self._make(configurator.configure_handler, described[number], f"handlers.{number}")
            for number in range(len(described))
        ]

    def _configurator(self) -> Any:
        """Return one with formatters and filters made, as `dictConfig` would have it by now."""
        configurator = DictConfigurator(
            {
                "formatters": self._formatters,
                "filters": self._filters,
                "handlers": [dict(handler) for handler in self._handlers],
            }
        )
        for kind in ("formatters", "filters"):
            make = getattr(configurator, f"configure_{kind.removesuffix('s')}")
            entries = configurator.config[kind]
            for name in entries:
                entries[name] = self._make(make, entries[name], f"{kind}.{name}")
        return configurator

    def _make(self, make: Any, entry: Any, key: str) -> Any:
        try:
            return make(entry)
        except Exception as error:
            # The class is any that the user names.
            cause = error.__cause__ or error
            raise OrchestrationError.at(
                f"{self._place}.{key}", f"`logging` cannot make it: {type(cause).__name__}: {cause}"
            ) from error

    def _handler(self, entry: Mapping[str, Any], project_dir: Path) -> dict[str, Any]:
        handler = {"formatter": _DEFAULT, **entry}
        if isinstance(handler.get("filename"), str):
            handler["filename"] = str(project_dir / handler["filename"])
        if isinstance(handler.get("level"), str):
            handler["level"] = handler["level"].upper()
        return handler


def _formatter(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A class with arguments of its own is called, as kedro-dagster does; `logging` would not."""
    return _called(entry) if entry.keys() - _OF_A_FORMATTER else dict(entry)


def _called(entry: Mapping[str, Any]) -> dict[str, Any]:
    called = dict(entry)
    if "class" in called and "()" not in called:
        called["()"] = called.pop("class")
    return called
