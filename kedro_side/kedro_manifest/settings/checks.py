"""Which of `dagster.yml`'s `checks` an asset gets, and whether they can be used at all. Pure.

Knows what Dagster takes for the name of a check, but not Dagster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration.checks import CheckSettings, Consequence
from kedro_manifest.patterns import matching_patterns

NOT_EMPTY = "not_empty"
VALIDATOR = "validator"
FRESHNESS = "freshness_check"
"""As Dagster calls it."""

_NOTHING_SAID = CheckSettings()
_NAME = re.compile(r"\w+", re.ASCII)


def checks_for(checks: Mapping[str, CheckSettings], name: str) -> CheckSettings:
    """Return what all matching patterns say of the asset of a dataset or node."""
    merged = _NOTHING_SAID
    for pattern in matching_patterns(checks, name) if checks else ():
        above = checks[pattern]
        merged = CheckSettings(
            not_empty=merged.not_empty if above.not_empty is None else above.not_empty,
            fresh=above.fresh or merged.fresh,
            reported={**merged.reported_checks(), **above.reported_checks()},
        )
    return merged


def not_empty_consequence(settings: CheckSettings) -> Consequence | None:
    """Return what follows when a dataset is empty; None where nobody asks."""
    said = settings.not_empty
    if isinstance(said, str):
        return said
    return "block" if said else None


def check_check_settings(checks: Mapping[str, CheckSettings]) -> None:
    """Refuse what Dagster would refuse when it loads the checks.

    Raises:
        OrchestrationError: The message names the pattern, the key and what may stand there.
    """
    for pattern, settings in checks.items():
        for problem, hint in _problems(settings):
            raise OrchestrationError.at(f"checks.{pattern}.reported", problem, hint)
        fresh = settings.fresh
        if fresh is not None and fresh.timezone is not None and fresh.deadline_cron is None:
            raise OrchestrationError.at(
                f"checks.{pattern}.fresh",
                "`timezone` means nothing without `deadline_cron`",
                "Take it out.",
            )


def _problems(settings: CheckSettings) -> Iterator[tuple[str, str]]:
    for name in settings.reported_checks():
        if not _NAME.fullmatch(name):
            yield (
                f"Dagster takes no check '{name}'",
                "The name of a check has letters, digits and `_`.",
            )
        if name in {NOT_EMPTY, FRESHNESS} or name.startswith(VALIDATOR):
            yield f"'{name}' is a check of its own", "Choose another name."
