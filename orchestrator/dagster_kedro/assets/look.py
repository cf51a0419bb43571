"""What `dagster.yml` says of an asset, in Dagster's terms: groups, freshness, conditions.

From records to Dagster's objects; knows neither files nor processes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import dagster as dg
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration.automation import Freshness, OnCron

from dagster_kedro.python_objects import load_instance

_Made = TypeVar("_Made")

_CONDITIONS: dict[str, Callable[[], dg.AutomationCondition[Any]]] = {
    "eager": dg.AutomationCondition.eager,
    "on_missing": dg.AutomationCondition.on_missing,
}


def freshness_policy(freshness: Freshness, place: str) -> dg.FreshnessPolicy:
    """Return a policy of Dagster's.

    Raises:
        OrchestrationError: A cron expression or timezone is wrong, or the span is longer than the
            time between two deadlines.
    """
    if freshness.deadline_cron is None:
        warn_s = freshness.warn_after_s
        return dg.FreshnessPolicy.time_window(
            fail_window=timedelta(seconds=freshness.fail_after_s or 0),
            warn_window=timedelta(seconds=warn_s) if warn_s is not None else None,
        )
    cron, lower_bound = freshness.deadline_cron, timedelta(seconds=freshness.lower_bound_s or 0)
    return _accepted(
        lambda: dg.FreshnessPolicy.cron(cron, lower_bound, timezone=freshness.timezone or "UTC"),
        place,
    )


def automation_condition(automation: str | OnCron, place: str) -> dg.AutomationCondition[Any]:
    """Return a condition: one of Dagster's own, or one that Python code on this side makes.

    Raises:
        OrchestrationError: A cron expression is wrong, or the name stands for something else.
    """
    if isinstance(automation, OnCron):
        cron, timezone = automation.on_cron, automation.timezone or "UTC"
        return _accepted(lambda: dg.AutomationCondition.on_cron(cron, timezone), place)
    if automation in _CONDITIONS:
        return _CONDITIONS[automation]()
    condition: dg.AutomationCondition[Any] = load_instance(
        automation, dg.AutomationCondition, place
    )
    return condition


def _accepted(make: Callable[[], _Made], place: str) -> _Made:
    try:
        return make()
    except Exception as error:  # What Dagster raises here is no public class of its own.
        raise OrchestrationError.at(
            place,
            f"Dagster does not accept it: {error}",
            "A cron expression has five fields, a timezone is such as `Europe/Berlin`.",
        ) from error
