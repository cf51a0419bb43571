"""What earlier attempts at a step have finished, so that only the rest is run again.

A retry of the step continues its own run. A re-execution from failure is a run of its own that
Dagster hands the full selection: what it does not yield, Dagster would skip downstream without
a word, so what is kept has to be yielded again. Reads Dagster's event log, writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import dagster as dg
import msgspec

from dagster_kedro.results.data_versions import as_it_was
from dagster_kedro.results.saved_partitions import UNFINISHED

KEPT_FROM = "kedro/kept_from_run"
"""Metadata of an asset that was not made again: the run that made it."""

VERSION = "kedro/version"
STAGED_AT = "kedro/staged_at"
_RESUME_TAG = "dagster/is_resume_retry"
_RESUME_TAGS = {_RESUME_TAG, "dagster/is_asset_resume_retry"}


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """An asset that an earlier attempt has materialized."""

    metadata: Mapping[str, dg.MetadataValue[Any]]
    checks: list[dg.AssetCheckEvaluation] = []
    """Evaluations of its selected checks."""
    made_of: Mapping[str, Any] = {}
    """Version of its data, and tags of its code and inputs, as a result takes them."""
    run_id: str
    in_this_run: bool
    """True if Dagster knows it from this very run, and must not be told twice."""

    @property
    def version(self) -> str | None:
        """Version under which a versioned dataset was saved."""
        return self._text(VERSION)

    @property
    def staged_at(self) -> str | None:
        """Where an in-memory dataset was staged."""
        return self._text(STAGED_AT)

    def _text(self, name: str) -> str | None:
        value = self.metadata.get(name)
        return str(value.value) if value is not None else None


PartitionsOf = Callable[[dg.AssetKey], Sequence[str | None]]
"""Returns the partitions that a run makes of an asset; None is the whole asset."""


def finished_before(
    context: dg.AssetExecutionContext,
    partitions_of: PartitionsOf,
    optional: AbstractSet[dg.AssetCheckKey] = frozenset(),
) -> dict[dg.AssetKey, Finished]:
    """Return the selected assets that need not be made again, by key.

    An asset of which a partition is missing is not finished. Neither is one whose selected
    checks were not all reported, nor one that a blocking check stopped: else a retry would pass
    the check by.

    Args:
        context: The step's.
        partitions_of: Tells the partitions that the run makes of an asset.
        optional: Checks that need not have been reported.
    """
    finished: dict[dg.AssetKey, Finished] = {}
    parent = context.run.parent_run_id
    if parent is not None and context.run.tags.get(_RESUME_TAG) == "true":
        finished.update(_materialized(context, parent, partitions_of, optional, in_this_run=False))
    if context.retry_number > 0:
        finished.update(
            _materialized(context, context.run_id, partitions_of, optional, in_this_run=True)
        )
    return finished


def resumed_versions(context: dg.AssetExecutionContext) -> dict[dg.AssetKey, str]:
    """Return the versions that the runs which this one resumes have saved, selected or not.

    "From asset failure" selects only what is missing, so that what is kept has to be looked for.
    """
    versions: dict[dg.AssetKey, str] = {}
    for run_id in resumed_runs(context):
        for event in materializations(context, run_id):
            if VERSION in event.metadata:
                versions.setdefault(event.asset_key, str(event.metadata[VERSION].value))
    return versions


def resumed_runs(context: dg.AssetExecutionContext) -> Iterator[str]:
    """Yield the ids of the runs which this one resumes, the last one first."""
    run: dg.DagsterRun | None = context.run
    while run is not None and run.parent_run_id and _RESUME_TAGS & run.tags.keys():
        run = context.instance.get_run_by_id(run.parent_run_id)
        if run is not None:
            yield run.run_id


def yield_again(key: dg.AssetKey, finished: Finished) -> dg.MaterializeResult[Any]:
    """Return the result that tells Dagster that an asset is there, marked as kept."""
    kept_from = finished.metadata.get(KEPT_FROM, dg.MetadataValue.dagster_run(finished.run_id))
    return dg.MaterializeResult(
        asset_key=key,
        metadata={**finished.metadata, KEPT_FROM: kept_from},
        **finished.made_of,
        check_results=[
            dg.AssetCheckResult(
                asset_key=key,
                check_name=check.asset_check_key.name,
                passed=check.passed,
                severity=check.severity,
                metadata={**check.metadata, KEPT_FROM: kept_from},
            )
            for check in finished.checks
        ],
    )


def completed(
    context: dg.AssetExecutionContext, run_id: str, partitions_of: PartitionsOf
) -> dict[dg.AssetKey, dg.AssetMaterialization]:
    """Return what a run has made whole, with the last event of each asset."""
    made: dict[dg.AssetKey, set[str | None]] = {}
    last: dict[dg.AssetKey, dg.AssetMaterialization] = {}
    for event in materializations(context, run_id):
        if UNFINISHED not in event.metadata and event.partition in partitions_of(event.asset_key):
            made.setdefault(event.asset_key, set()).add(event.partition)
            last[event.asset_key] = event
    return {key: event for key, event in last.items() if made[key].issuperset(partitions_of(key))}


def _materialized(
    context: dg.AssetExecutionContext,
    run_id: str,
    partitions_of: PartitionsOf,
    optional: AbstractSet[dg.AssetCheckKey],
    *,
    in_this_run: bool,
) -> Iterator[tuple[dg.AssetKey, Finished]]:
    evaluations = _evaluations(context, run_id)
    selected = context.selected_asset_check_keys
    for key, event in completed(context, run_id, partitions_of).items():
        checks = [
            check
            for check in selected
            if check.asset_key == key and (check in evaluations or check not in optional)
        ]
        if key in context.selected_asset_keys and all(
            check in evaluations and not _stops(evaluations[check]) for check in checks
        ):
            yield (
                key,
                Finished(
                    metadata=event.metadata,
                    checks=[evaluations[check] for check in checks],
                    made_of=as_it_was(event),
                    run_id=run_id,
                    in_this_run=in_this_run,
                ),
            )


def materializations(
    context: dg.AssetExecutionContext, run_id: str
) -> Iterator[dg.AssetMaterialization]:
    """Yield what a run has materialized, each partition by itself, in the event log's order."""
    entries = context.instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    for entry in entries:
        if (event := entry.asset_materialization) is not None:
            yield event


def latest_materialization(
    context: dg.AssetExecutionContext, key: dg.AssetKey, partitions: Sequence[str | None]
) -> dg.AssetMaterialization | None:
    """Return the last materialization of an asset, or of a partition; None of several of these."""
    if len(partitions) > 1:
        return None
    wanted = dg.AssetRecordsFilter(
        asset_key=key, asset_partitions=[each for each in partitions if each is not None] or None
    )
    records = context.instance.fetch_materializations(wanted, limit=1).records
    return records[0].asset_materialization if records else None


def _evaluations(
    context: dg.AssetExecutionContext, run_id: str
) -> dict[dg.AssetCheckKey, dg.AssetCheckEvaluation]:
    """Return the last evaluation of each check in a run."""
    entries = context.instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    data = [entry.dagster_event.event_specific_data for entry in entries if entry.dagster_event]
    found = [each for each in data if isinstance(each, dg.AssetCheckEvaluation)]
    return {each.asset_check_key: each for each in found}


def _stops(check: dg.AssetCheckEvaluation) -> bool:
    failed = not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
    return failed and bool(check.blocking)
