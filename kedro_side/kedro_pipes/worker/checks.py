"""Asset checks of what a worker's nodes load and save, and what a failed one keeps from running.

Knows the checks of the invocation and Kedro's validation, not the nodes' progress.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, Protocol

from kedro.framework.hooks import hook_impl
from kedro.pipeline.node import Node
from kedro_manifest.errors import KedroPipesError
from kedro_manifest.invocation import DatasetCheck, Invocation
from kedro_manifest.names import strip_transcoding

from kedro_pipes.worker.lengths import length_of
from kedro_pipes.worker.metadata_values import value
from kedro_pipes.worker.statements import CheckResult
from kedro_pipes.worker.validation import (
    ValidationWatch,
    describe_validation,
    first_failure,
    is_misconfigured,
)


class BlockedByCheckError(KedroPipesError):
    """A node would read what a blocking asset check has found to be wrong.

    Cure: in the data, or in what the check asks for.
    """


class ReportsChecks(Protocol):
    """Where results go."""

    def check(self, asset_key: str, result: CheckResult) -> None:
        """Report what a check of an asset has found."""


class DatasetChecks:
    """Judges the datasets of one worker, once each is saved whole or loaded.

    Args:
        invocation: Which checks there are.
        reports: Takes their results.
    """

    def __init__(self, invocation: Invocation, reports: ReportsChecks) -> None:
        self._validated = invocation.validated
        self._reports = reports
        self._checks: dict[str, list[DatasetCheck]] = {}
        for check in invocation.checks:
            self._checks.setdefault(strip_transcoding(check.dataset), []).append(check)
        self._watch = ValidationWatch()
        self._lengths: dict[str, int | None] = {}
        """Of what has been written so far; None where that cannot be told."""
        self._told: set[str] = set()
        """Datasets of which a validator's result has been reported."""
        self._blocked: dict[str, str] = {}
        self._lock = threading.Lock()

    @hook_impl(trylast=True)
    def after_catalog_created(self, catalog: Any) -> None:
        """Watch its validators, once nobody replaces a dataset any more."""
        self._watch.watch(catalog, self._validated)

    def admit(self, node: Node) -> None:
        """Let a node begin.

        Raises:
            BlockedByCheckError: A blocking check of something that it reads has failed.
        """
        for name in map(strip_transcoding, node.inputs):
            if name in self._blocked:
                raise BlockedByCheckError(
                    f"Node '{node.name}' is not run: blocking check '{self._blocked[name]}' of "
                    f"'{name}', which it reads, has failed."
                )

    def loaded(self, dataset: str) -> None:
        """Report what validation has found on loading; that nothing is wrong, only once."""
        outcomes = self._watch.take(dataset)
        failure = first_failure(outcomes)
        if outcomes and (failure is not None or dataset not in self._told):
            self._report_validated(dataset, failure)

    def written(self, dataset: str, data: Any) -> None:
        """Take note of what has been written, be it one chunk of several."""
        if any(check.kind == "not_empty" for check in self._of(dataset)):
            length, before = length_of(data), self._lengths.get(dataset, 0)
            whole = None if length is None or before is None else before + length
            self._lengths[dataset] = whole

    def saved(self, dataset: str) -> None:
        """Report the checks of a dataset that is saved whole."""
        outcomes = self._watch.take(dataset)
        if outcomes:
            self._report_validated(dataset, first_failure(outcomes))
        for check in self._of(dataset):
            if check.kind == "validator" and check.on_save and not outcomes:
                self._report(check, _not_validated(check))
            elif check.kind == "not_empty":
                self._report(check, judge_length(check, self._lengths.pop(dataset, None)))

    def failed(self, datasets: Iterable[str], error: BaseException) -> None:
        """Report what validation has found in what could not be loaded or saved.

        Args:
            datasets: What the node that failed had in hand.
            error: What it has failed with.
        """
        failures = self._watch.take_failures()
        if is_misconfigured(error) and isinstance(error, Exception):
            failures.update(dict.fromkeys(datasets, error))
        for dataset, failure in failures.items():
            self._report_validated(dataset, failure)

    def notice(self, asset_key: str, name: str, severity: str, *, passed: bool) -> None:
        """Take note of a check that node code has reported, of what it writes or of itself."""
        if passed or severity != "ERROR":
            return
        for checks in self._checks.values():
            for check in checks:
                if (check.asset_key, check.name) == (asset_key, name):
                    self._block(check)

    def _report_validated(self, dataset: str, failure: Exception | None) -> None:
        self._told.add(dataset)
        for check in self._of(dataset):
            if check.kind == "validator":
                result = CheckResult(
                    name=check.name,
                    passed=failure is None,
                    severity=check.severity,
                    metadata=describe_validation(failure),
                )
                self._report(check, result)

    def _report(self, check: DatasetCheck, result: CheckResult) -> None:
        if not result.passed and result.severity == "ERROR":
            self._block(check)
        self._reports.check(check.asset_key, result)

    def _block(self, check: DatasetCheck) -> None:
        if check.blocking:
            with self._lock:
                self._blocked[strip_transcoding(check.dataset)] = check.name

    def _of(self, dataset: str) -> list[DatasetCheck]:
        """Return the checks of what is saved or loaded under a name, transcoding and all."""
        every = self._checks.get(strip_transcoding(dataset), [])
        return [each for each in every if each.dataset in {dataset, strip_transcoding(dataset)}]


def _not_validated(check: DatasetCheck) -> CheckResult:
    reason = (
        "Cannot be told: Kedro has not validated it. Is validation switched off "
        "(KEDRO_DATASET_VALIDATION), or the catalog one of another kind?"
    )
    # Somebody wants it so, which is nothing to stop a run for.
    metadata = {"kedro/reason": value("text", reason)}
    return CheckResult(name=check.name, passed=False, severity="WARN", metadata=metadata)


def judge_length(check: DatasetCheck, length: int | None) -> CheckResult:
    """Return whether data of some length is what a check wants; None cannot be judged."""
    if length is None:
        reason = (
            "Cannot be told: what was saved is in memory without a length. Say "
            "`not_empty: false` of this dataset in dagster.yml."
        )
        metadata = {"kedro/reason": value("text", reason)}
    else:
        metadata = {"kedro/length": value("int", length)}
    return CheckResult(
        name=check.name, passed=bool(length), severity=check.severity, metadata=metadata
    )
