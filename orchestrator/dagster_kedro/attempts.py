"""What earlier attempts at a step have finished, so that only the rest is run again.

A retry of the step continues its own run. A re-execution from failure is a run of its own that
Dagster hands the full selection: what it does not yield, Dagster would skip downstream without
a word, so what is kept has to be yielded again. Reads Dagster's event log, writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import msgspec

KEPT_FROM = "kedro/kept_from_run"
"""Metadata of an asset that was not made again: the run that made it."""

_RESUME_TAG = "dagster/is_resume_retry"


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """An asset that an earlier attempt has materialized."""

    metadata: Mapping[str, dg.MetadataValue[Any]]
    run_id: str
    in_this_run: bool
    """True if Dagster knows it from this very run, and must not be told twice."""

    @property
    def version(self) -> str | None:
        """Version under which a versioned dataset was saved."""
        return self._text("kedro/version")

    @property
    def staged_at(self) -> str | None:
        """Where an in-memory dataset was staged."""
        return self._text("kedro/staged_at")

    def _text(self, name: str) -> str | None:
        value = self.metadata.get(name)
        return str(value.value) if value is not None else None


def finished_before(context: dg.AssetExecutionContext) -> dict[dg.AssetKey, Finished]:
    """Return the selected assets that need not be made again, by key."""
    finished: dict[dg.AssetKey, Finished] = {}
    parent = context.run.parent_run_id
    if parent is not None and context.run.tags.get(_RESUME_TAG) == "true":
        finished.update(_materialized(context, parent, in_this_run=False))
    if context.retry_number > 0:
        finished.update(_materialized(context, context.run_id, in_this_run=True))
    return finished


def yield_again(key: dg.AssetKey, finished: Finished) -> dg.MaterializeResult[Any]:
    """Return the result that tells Dagster that an asset is there, marked as kept."""
    kept_from = finished.metadata.get(KEPT_FROM, dg.MetadataValue.dagster_run(finished.run_id))
    return dg.MaterializeResult(asset_key=key, metadata={**finished.metadata, KEPT_FROM: kept_from})


def _materialized(
    context: dg.AssetExecutionContext, run_id: str, *, in_this_run: bool
) -> Iterator[tuple[dg.AssetKey, Finished]]:
    entries = context.instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    for entry in entries:
        event = entry.asset_materialization
        if event is not None and event.asset_key in context.selected_asset_keys:
            yield (
                event.asset_key,
                Finished(metadata=event.metadata, run_id=run_id, in_this_run=in_this_run),
            )
