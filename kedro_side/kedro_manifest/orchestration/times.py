"""Whether the times of a schedule can be read: its time zone, and the look of its cron expressions.

Dagster reads cron expressions in full; what is asked here needs no parser of them. Pure.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from difflib import get_close_matches

from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration.jobs import Schedule

_CRON_FIELDS = 5


def time_problems(schedule: Schedule, place: str) -> Iterator[OrchestrationError]:
    """Yield what is wrong with the times of an entry.

    Args:
        schedule: The entry.
        place: Its dotted keys.
    """
    written = schedule.cron_schedule
    for expression in [written] if isinstance(written, str) else written:
        if not expression.startswith("@") and len(expression.split()) != _CRON_FIELDS:
            yield no_cron_schedule(schedule, place)
    wanted = schedule.execution_timezone
    if wanted is not None and not _is_timezone(wanted):
        near = get_close_matches(wanted, zoneinfo.available_timezones())
        yield OrchestrationError.at(
            f"{place}.execution_timezone",
            f"there is no time zone '{wanted}'",
            f"Did you mean {', '.join(map(repr, near))}?"
            if near
            else "Write one such as 'Europe/Berlin'.",
        )


def no_cron_schedule(schedule: Schedule, place: str) -> OrchestrationError:
    """Return the error for an entry with a cron expression that nobody can read."""
    return OrchestrationError.at(
        f"{place}.cron_schedule",
        f"{schedule.cron_schedule!r} is no cron schedule",
        "Write five fields, such as '0 3 * * *', or one of '@hourly', '@daily', '@weekly', "
        "'@monthly'.",
    )


def _is_timezone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        # Slim images have no time zones at all: nobody can say then.
        return not zoneinfo.available_timezones()
    return True
