"""Where a worker's reports go: through Dagster Pipes, or to a terminal.

Knows how things are reported, not when.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Any, TextIO

import msgspec
from kedro_manifest.events import Event, NodeFailed, NodeFinished, NodeStarted, encode_event

from kedro_pipes.worker.metadata_values import PipesMetadata
from kedro_pipes.worker.output import MarkedOutput, flush_native_output
from kedro_pipes.worker.pipes_context import NoticeCheck, WorkerPipesContext
from kedro_pipes.worker.statements import CheckResult


class PipesReports:
    """Reports through a Pipes context, so that any Pipes client can read them.

    Args:
        pipes: The context.
        output: The worker's streams, which are told which node is running.
    """

    def __init__(self, pipes: WorkerPipesContext, output: MarkedOutput) -> None:
        self._pipes = pipes
        self.output = output
        self.before_node: Callable[[], None] = lambda: None
        """Is called when a node begins."""

    def event(self, event: Event) -> None:
        """Report one of our events as a custom message."""
        if isinstance(event, NodeFinished | NodeFailed):
            flush_native_output()
        self._pipes.report_custom_message(encode_event(event))
        if isinstance(event, NodeStarted):
            self.before_node()
            self.output.begin_node(event.node)
        elif isinstance(event, NodeFinished | NodeFailed):
            self.output.end_node(event.node)

    def materialization(
        self, asset_key: str, metadata: PipesMetadata, data_version: str | None = None
    ) -> None:
        """Report a selected asset as materialized."""
        self._pipes.report_saved(asset_key, metadata, data_version)

    def check(self, asset_key: str, result: CheckResult) -> None:
        """Report a check, be it of an asset that nobody has selected."""
        self._pipes.report_check(
            asset_key, result.name, result.severity, result.metadata, passed=result.passed
        )

    def watch_checks(self, notice: NoticeCheck) -> None:
        """Let somebody know of checks that nodes report through Pipes themselves."""
        self._pipes.notice_check = notice

    def log(self, message: str, level: str) -> None:
        """Forward one log record."""
        self._pipes.log.log(logging.getLevelName(level), "%s", message)


class PrintedReports:
    """Prints what would be reported, a JSON line each, for a worker that is run by hand."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def event(self, event: Event) -> None:
        """Print one of our events."""
        self._print(msgspec.to_builtins(event))

    def materialization(
        self, asset_key: str, metadata: PipesMetadata, data_version: str | None = None
    ) -> None:
        """Print a materialization with its bare metadata values."""
        record = {"asset_key": asset_key, "data_version": data_version, "metadata": _bare(metadata)}
        self._print({"event": "Materialization", **record})

    def check(self, asset_key: str, result: CheckResult) -> None:
        """Print a check with its bare metadata values."""
        record = msgspec.structs.asdict(result) | {"metadata": _bare(result.metadata)}
        self._print({"event": "Check", "asset_key": asset_key, **record})

    def watch_checks(self, notice: NoticeCheck) -> None:
        """Do nothing: by hand, there are no Pipes for a node to report through."""

    def _print(self, record: dict[str, Any]) -> None:
        with self._lock:  # or two threads would share a line
            print(json.dumps(record, default=str), file=self._stream, flush=True)


def _bare(metadata: PipesMetadata) -> dict[str, Any]:
    return {name: entry["raw_value"] for name, entry in metadata.items()}
