"""What a worker's messages mean to Dagster, and whether its group succeeded.

A group succeeded only if the process exited with 0, the stream is complete and closed, and
every selected output was reported saved. Everything else raises with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import dagster as dg
from kedro_manifest.events import (
    DatasetSaved,
    DatasetsFound,
    MlflowRunStarted,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    PartitionsSaved,
    decode_event,
)
from kedro_manifest.invocation import PROTOCOL_VERSION
from kedro_manifest.names import strip_transcoding

from dagster_kedro.channel import Message
from dagster_kedro.clients.base import WorkerExit
from dagster_kedro.errors import (
    BlockingCheckFailedError,
    CheckNotReportedError,
    NodeFailedError,
    OutputNotSavedError,
    PartitionsNotSavedError,
)
from dagster_kedro.results.data_versions import version_tags
from dagster_kedro.results.expected import Expected
from dagster_kedro.results.metadata import metadata_from_pipes
from dagster_kedro.results.saved_partitions import UNFINISHED, SavedPartitions
from dagster_kedro.results.verdict import judge_worker
from dagster_kedro.results.wording import (
    LogLine,
    describe_event,
    describe_missing,
    describe_undeclared,
)

STREAM_VERSION_KEY = "kedro_pipes_protocol"
ATTEMPT = "kedro/attempt"
"""Metadata of what was made by another attempt at a group than its first."""

_LEVELS = frozenset({"debug", "info", "warning", "error", "critical"})


Outcome = (
    LogLine
    | dg.MaterializeResult[Any]
    | dg.AssetMaterialization
    | dg.AssetCheckResult
    | dg.AssetCheckEvaluation
)
"""What a step does with a message: log it, or yield it to Dagster."""


class GroupResults:
    """Takes the messages of one worker, and judges it when it has ended."""

    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self._saved: set[dg.AssetKey] = set()
        self.checked: set[dg.AssetCheckKey] = set()
        """Selected checks that were reported."""
        self.passed: set[dg.AssetCheckKey] = set()
        """Checks of any kind that were reported as passed, and never as failed."""
        self.finished_nodes: set[str] = set()
        self._blocked_by: list[str] = []
        self._failure: NodeFailed | None = None
        self._exception: dict[str, Any] | None = None
        self._problems: list[str] = []
        self._partitions = SavedPartitions(expected.partitioned)
        self._incomplete: dict[dg.AssetKey, str] = {}
        self.found_partitions: dict[str, list[str]] = {}
        """Partitions that exist already, by dataset, where it has any."""
        self.found: list[str] = []
        """Datasets that exist already, where the worker was asked to look."""
        self.mlflow_run: MlflowRunStarted | None = None
        """The worker's MLflow run, if it has one."""
        self.has_begun = False
        """True once a node has begun: what comes before the nodes is over."""
        self.versions: dict[str, str] = {}
        """Version under which each versioned dataset was saved, by name without transcoding."""

    @property
    def reported(self) -> set[dg.AssetKey]:
        """Selected assets of which Dagster got a result."""
        return self._saved - self._incomplete.keys()

    @property
    def has_failure(self) -> bool:
        """Tell whether the worker has given a reason for failing."""
        return self._failure is not None or self._exception is not None

    @property
    def is_blocked(self) -> bool:
        """Tell whether a blocking check has failed."""
        return bool(self._blocked_by)

    def outcomes(self, message: Message) -> Iterator[Outcome]:
        """Yield what one message asks for; a message that cannot be understood is a problem."""
        handle = _HANDLERS.get(message.method)
        if handle is None:
            self._problems.append(f"a message has the unknown method '{message.method}'")
            return
        for field in sorted(message.params.keys() - _FIELDS[message.method]):
            said = f"Passed over the unknown field '{field}' of a message '{message.method}'."
            yield LogLine(said, "warning")
        try:
            yield from handle(self, message.params)
        except Exception as error:  # noqa: BLE001 - a message of any shape is judged at the end
            self._problems.append(f"a message '{message.method}' cannot be understood: {error}")

    def unfinished(self) -> Iterator[Outcome]:
        """Yield what is written all the same, once the worker has ended; see `judge`."""
        yield from self._partitions.unfinished()

    def judge(
        self,
        ended: WorkerExit,
        defects: list[str],
        output: list[str],
        timed_out_s: float | None = None,
    ) -> None:
        """Return if the group succeeded.

        Args:
            ended: How the worker's process ended.
            defects: What is wrong with its stream of messages.
            output: The last lines of its output, quoted where it gave no reason.
            timed_out_s: The time that it had, if it was stopped for taking longer.

        Raises:
            WorkerEvictedError: The place took its room away.
            WorkerPreemptedError: The place took its machine away.
            WorkerTimedOutError: It was stopped because it took too long.
            NodeFailedError: A node failed, and said so.
            WorkerRefusedError: It would not run these nodes at all.
            WorkerExitedError: It exited with a code or by a signal, and gave no reason.
            ChannelIncompleteError: Not every message arrived, or one made no sense.
            OutputNotSavedError: A selected output was never reported saved.
            PartitionsNotSavedError: A partition of one was not.
            CheckNotReportedError: A selected check was never reported.
            BlockingCheckFailedError: A blocking check failed.
        """
        try:
            judge_worker(
                self._expected.name,
                ended,
                self._failure or self._exception,
                defects=[*defects, *self._problems],
                output=output,
                timed_out_s=timed_out_s,
            )
        except NodeFailedError as error:
            # A node whose output or input Kedro's validation has refused, or that was not begun.
            if self._blocked_by:
                raise BlockingCheckFailedError(f"{self._said_of_blocked()}\n\n{error}") from error
            raise
        self._judge_outputs(self._expected.name)

    def _judge_outputs(self, group: str) -> None:
        unsaved = [what for key, what in self._expected.assets.items() if key not in self._saved]
        if unsaved:
            raise OutputNotSavedError(
                f"Cannot complete {group}: its worker ended well, but never reported "
                f"{', '.join(unsaved)} as done. See whether a hook or a branch skips it."
            )
        if self._incomplete:
            raise PartitionsNotSavedError(
                f"Cannot complete {group}: {'; '.join(self._incomplete.values())}. Let the node save them, "
                "or say in dagster.yml with `partition_ids` which partition stands for which key "
                "(null if none does)."
            )
        unreported = [key.name for key in self._expected.checks if key not in self.checked]
        if unreported:
            raise CheckNotReportedError(
                f"Cannot complete {group}: its worker ended well, but never reported the asset "
                f"check {', '.join(map(repr, unreported))}. Report it, or do not select it."
            )
        if self._blocked_by:
            raise BlockingCheckFailedError(self._said_of_blocked())

    def _said_of_blocked(self) -> str:
        return f"Nothing downstream of {self._expected.name} is run: {'; '.join(self._blocked_by)}."

    def _opened(self, params: Mapping[str, Any]) -> Iterator[Outcome]:
        theirs = (params.get("extras") or {}).get(STREAM_VERSION_KEY)
        if theirs is not None and theirs.partition(".")[0] != PROTOCOL_VERSION.partition(".")[0]:
            raise ValueError(
                f"the worker speaks protocol {theirs}, this side {PROTOCOL_VERSION}; install the "
                "same version of kedro-dagster-pipes on both sides"
            )
        yield from ()

    def _closed(self, params: Mapping[str, Any]) -> Iterator[Outcome]:
        exception = params.get("exception")
        if not (exception is None or isinstance(exception, dict)):
            raise TypeError(f"expected an exception as an object, got {exception!r}")
        self._exception = exception
        yield from ()

    def _log(self, params: Mapping[str, Any]) -> Iterator[Outcome]:
        level = str(params.get("level", "info")).lower()
        yield LogLine(str(params["message"]), level if level in _LEVELS else "info")

    def _materialization(self, params: Mapping[str, Any]) -> Iterator[Outcome]:
        asset_key = dg.AssetKey.from_escaped_user_string(params["asset_key"])
        metadata = metadata_from_pipes(params.get("metadata") or {})
        metadata |= self._numbered()
        version = params.get("data_version")
        if asset_key not in self._expected.assets:
            tags = version_tags(version)
            yield dg.AssetMaterialization(asset_key, metadata=metadata, tags=tags)
            return
        if asset_key in self._saved:
            return
        self._saved.add(asset_key)
        if missing := self._partitions.missing(asset_key):
            what = self._expected.assets[asset_key]
            self._incomplete[asset_key] = describe_missing(what, missing)
            yield from self._partitions.all_of_asset(asset_key, {**metadata, UNFINISHED: True})
            return
        yield dg.MaterializeResult(
            asset_key=asset_key,
            metadata=metadata,
            data_version=dg.DataVersion(version) if version else None,
        )
        yield from self._partitions.others(asset_key, metadata, version_tags(version))

    def _check(self, params: Mapping[str, Any]) -> Iterator[Outcome]:
        asset_key = dg.AssetKey.from_escaped_user_string(params["asset_key"])
        key = dg.AssetCheckKey(asset_key, params["check_name"])
        passed, severity = params["passed"], dg.AssetCheckSeverity(params["severity"])
        if not isinstance(passed, bool):
            raise TypeError(f"expected `passed` to be true or false, got {passed!r}")
        expected = self._expected
        selected = {**expected.checked_before, **expected.checks}
        known = {**expected.known_checks, **selected}
        blocks = known.get(key, False)
        stops = blocks and not passed and severity == dg.AssetCheckSeverity.ERROR
        found: dict[str, Any] = {
            "asset_key": asset_key,
            "check_name": key.name,
            "passed": passed,
            "severity": severity,
            "metadata": metadata_from_pipes(params.get("metadata") or {}) | self._numbered(),
        }
        partitions = expected.partitions_checked.get(key, [None])
        self.passed = (self.passed | {key}) if passed else (self.passed - {key})
        if stops:
            self._blocked_by.append(
                f"blocking check '{key.name}' of '{asset_key.to_user_string()}' failed"
            )
        if key not in known:
            yield describe_undeclared(asset_key.to_user_string(), key.name, passed=passed)
        if stops and expected.tries_checks_again:
            # Dagster would fail the step for it, whatever the next attempt finds.
            yield from _facts(found, partitions, blocking=False)
        elif key not in expected.checks or key in self.checked or len(partitions) > 1:
            # Dagster takes one result of a selected check, and any number of facts.
            self.checked.update({key} & expected.checks.keys())
            yield from _facts(found, partitions, blocking=blocks)
        else:
            self.checked.add(key)
            yield dg.AssetCheckResult(**found)

    def _custom(self, params: Mapping[str, Any]) -> Iterator[Outcome]:
        event = decode_event(params["payload"])
        if event is None:
            yield LogLine(f"Message from the worker: {params['payload']}", "debug")
            return
        if isinstance(event, NodeFailed):
            self._failure = event
        if isinstance(event, MlflowRunStarted):
            self.mlflow_run = event
        if isinstance(event, NodeStarted):
            self.has_begun = True
        if isinstance(event, NodeFinished):
            self.finished_nodes.add(event.node)
        if isinstance(event, DatasetsFound):
            self.found = event.datasets
            self.found_partitions = event.partitions
        if isinstance(event, PartitionsSaved):
            self._partitions.take(strip_transcoding(event.dataset), event.partitions)
        if isinstance(event, DatasetSaved):
            yield from self._dataset_saved(event)
        yield describe_event(event)

    def _dataset_saved(self, event: DatasetSaved) -> Iterator[Outcome]:
        dataset = strip_transcoding(event.dataset)
        if event.version is not None:
            self.versions[dataset] = event.version
        if dataset in self._expected.besides:
            # Dagster refuses a result for what was not selected, or a second one, but takes the
            # fact.
            key = self._expected.besides[dataset]
            metadata: dict[str, Any] = metadata_from_pipes(event.metadata)
            metadata |= {**self._numbered(), "kedro/node": event.node}
            tags = version_tags(event.data_version)
            if dataset in self._expected.partitioned:
                yield from self._partitions.all_of_asset(key, metadata, tags)
                return
            for partition in self._expected.besides_of.get(key, [None]):
                yield dg.AssetMaterialization(
                    key, metadata=metadata, partition=partition, tags=tags
                )

    def _numbered(self) -> dict[str, Any]:
        """Return the metadata that tells which attempt it was, of any but the first."""
        return {ATTEMPT: self._expected.attempt} if self._expected.attempt > 1 else {}

    def _external_stream(self, params: Mapping[str, Any]) -> Iterator[Outcome]:
        yield LogLine(f"{params['stream']}: {params['text']}", "debug")


def _facts(
    found: Mapping[str, Any], partitions: Iterable[str | None], *, blocking: bool
) -> Iterator[dg.AssetCheckEvaluation]:
    for partition in partitions:
        yield dg.AssetCheckEvaluation(**found, blocking=blocking, partition=partition)


_HANDLERS: dict[str, Callable[[GroupResults, Mapping[str, Any]], Iterator[Outcome]]] = {
    "opened": GroupResults._opened,  # noqa: SLF001 - the table of this class's own methods
    "closed": GroupResults._closed,  # noqa: SLF001
    "log": GroupResults._log,  # noqa: SLF001
    "report_asset_materialization": GroupResults._materialization,  # noqa: SLF001
    "report_asset_check": GroupResults._check,  # noqa: SLF001
    "report_custom_message": GroupResults._custom,  # noqa: SLF001
    "log_external_stream": GroupResults._external_stream,  # noqa: SLF001
}

_FIELDS = {
    "opened": {"extras"},
    "closed": {"exception"},
    "log": {"message", "level"},
    "report_asset_materialization": {"asset_key", "metadata", "data_version"},
    "report_asset_check": {"asset_key", "check_name", "passed", "severity", "metadata"},
    "report_custom_message": {"payload"},
    "log_external_stream": {"stream", "text", "extras"},
}
"""What Dagster Pipes 0.1 says in each message."""
