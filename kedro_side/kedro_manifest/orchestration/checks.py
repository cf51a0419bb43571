"""`checks`: asset checks besides those of the catalog's validators."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Consequence = Literal["block", "fail", "warn"]
"""Of a failed check: nothing downstream runs and the run fails, or Dagster shows a failure, or a
warning."""


class FreshnessCheck(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`fresh:` a check of how old the last materialization or observation is."""

    within_s: Annotated[float, msgspec.Meta(gt=0)]
    """Seconds that it may be old when the check runs; with `deadline_cron`, seconds before the last
    deadline from which on it counts."""
    deadline_cron: str | None = None
    """When it has to be there, in five fields: `0 9 * * *`. Default: whenever the check runs."""
    timezone: str | None = None
    """Of `deadline_cron`, such as `Europe/Berlin`. Default: UTC."""
    on_failure: Consequence = "warn"
    """Whether Dagster shows a warning (`warn`) or a failure (`fail`), or runs nothing downstream of
    it in the run that has checked it (`block`)."""


class ReportedCheck(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A check whose result the node that writes the dataset reports by its name."""

    description: str | None = None
    """Shown with the check in Dagster."""
    blocking: bool = False
    """Whether nothing downstream runs after it has failed as an error."""


class CheckSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`checks.<pattern>:` asset checks of the datasets and nodes that match the pattern.

    All patterns that match count. Reported checks are put together; of the others, the most specific
    pattern says each.
    """

    not_empty: bool | Consequence | None = None
    """Whether what a node has written is checked to hold anything: rows, items, characters, by what
    is in memory. `true` is `block`, false takes back what a wider pattern says."""
    fresh: FreshnessCheck | None = None
    reported: list[str] | dict[str, ReportedCheck] = []
    """Names of checks that the node's code reports with `kedro_pipes.report.check`. A list will do
    where there is nothing to say of them."""

    def reported_checks(self) -> dict[str, ReportedCheck]:
        """Return the checks that the node's code reports, by name."""
        if isinstance(self.reported, dict):
            return self.reported
        return dict.fromkeys(self.reported, ReportedCheck())
