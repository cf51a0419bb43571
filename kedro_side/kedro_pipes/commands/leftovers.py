"""What sweeps share: which leftovers are meant, and which of them nobody waits for any more.

Decides; knows neither engine nor cluster, asks and removes nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec

SETTLED = timedelta(minutes=1)
"""A step removes what it has started within seconds of its end; what ended longer ago is left."""

Reason = Literal["runs", "may run", "just ended", "goes"]
"""Why something is kept: its step runs, or may run as far as can be told from here, or it ended just
now, or somebody removes it already."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What of the leftovers is meant."""

    now: datetime
    run: str = ""
    """The beginning of a Dagster run's id."""
    older_than: timedelta = timedelta()
    running: bool = False
    """Whether what runs is meant where its step cannot be asked."""

    def include(self, run: str, since: datetime) -> bool:
        """Tell whether something is meant, by its Dagster run and by when it came to be as it is."""
        return self.now - since >= self.older_than and run.startswith(self.run)

    def is_settled(self, since: datetime) -> bool:
        """Tell whether a step would long have removed what is as it is since then."""
        return self.now - since >= SETTLED

    def reason_to_keep(
        self, *, step_is_alive: bool | None, is_running: bool, since: datetime
    ) -> Reason | None:
        """Return why a worker is not for us to remove; None if it is.

        Args:
            step_is_alive: Whether the step that waits for it runs; None if nobody can tell.
            is_running: Whether it does.
            since: When it came to be as it is.
        """
        if step_is_alive is False:
            return None
        if is_running:
            if step_is_alive:
                return "runs"
            return None if self.running else "may run"
        return None if self.is_settled(since) else "just ended"
