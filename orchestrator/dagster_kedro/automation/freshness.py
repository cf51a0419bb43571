"""Checks of how old assets are, and the sensor that runs them when one may have failed.

Dagster itself judges them, by what it has seen of the assets; no worker takes part. Definition time
only.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from datetime import timedelta

import dagster as dg
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration.checks import FreshnessCheck
from kedro_manifest.orchestration.root import Orchestration
from kedro_manifest.settings.checks import checks_for

from dagster_kedro.assets.index import AssetIndex

# Marked as beta in Dagster: nothing that a user of ours could act on.
_BETA = "build_last_update_freshness_checks|build_sensor_for_freshness_checks"
warnings.filterwarnings("ignore", rf"Function `({_BETA})`")


class FreshnessChecks:
    """The freshness checks of the assets of one project.

    Args:
        index: Of the project's assets.
        orchestration: The project's `dagster.yml`.
        specs: Of the assets that are defined, free inputs as well.
        part: Words that tell a part of the project from others; none for the whole.

    Raises:
        OrchestrationError: Dagster does not accept a cron expression or a timezone.
    """

    def __init__(
        self,
        index: AssetIndex,
        orchestration: Orchestration,
        specs: Iterable[dg.AssetSpec],
        part: Sequence[str] = (),
    ) -> None:
        by_settings: dict[FreshnessCheck, list[dg.AssetKey]] = {}
        for spec in specs if orchestration.checks else ():
            fresh = checks_for(orchestration.checks, index.by_key[spec.key].name).fresh
            if fresh is not None:
                by_settings.setdefault(fresh, []).append(spec.key)
        self.definitions: list[dg.AssetChecksDefinition] = [
            check for fresh, keys in by_settings.items() for check in _checks(fresh, keys)
        ]
        self._name = index.name_for(*part, "freshness_checks")
        self._is_running = orchestration.freshness_sensor == "running"

    def sensors(self) -> list[dg.SensorDefinition]:
        """Return the sensor that runs the checks; none where there are none."""
        if not self.definitions:
            return []
        status = dg.DefaultSensorStatus
        return [
            dg.build_sensor_for_freshness_checks(
                freshness_checks=self.definitions,
                name=self._name,
                default_status=status.RUNNING if self._is_running else status.STOPPED,
            )
        ]


def _checks(fresh: FreshnessCheck, keys: list[dg.AssetKey]) -> Sequence[dg.AssetChecksDefinition]:
    is_warning = fresh.on_failure == "warn"
    try:
        return dg.build_last_update_freshness_checks(
            assets=keys,
            lower_bound_delta=timedelta(seconds=fresh.within_s),
            deadline_cron=fresh.deadline_cron,
            timezone=fresh.timezone or "UTC",
            severity=dg.AssetCheckSeverity.WARN if is_warning else dg.AssetCheckSeverity.ERROR,
            blocking=fresh.on_failure == "block",
        )
    except Exception as error:  # What Dagster raises here is no public class of its own.
        raise OrchestrationError.at(
            "checks.*.fresh.deadline_cron",
            f"Dagster does not accept '{fresh.deadline_cron}': {error}",
            "A cron expression has five fields.",
        ) from error
