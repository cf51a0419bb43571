"""How often, and after which pause, something is tried again."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Backoff = Literal["constant", "linear", "exponential"]
Jitter = Literal["none", "full", "plus_minus"]
FailureKind = Literal[
    "node",
    "exited",
    "out_of_memory",
    "evicted",
    "preempted",
    "lost",
    "not_started",
    "timeout",
    "channel",
    "check",
]
"""In what way a group failed; `check` is a failed blocking check, after which nothing else counts. A
worker that refuses its invocation is of no kind, because another try would change nothing."""

Times = Annotated[int, msgspec.Meta(ge=0)]
"""How often, after the first time."""


class Retries(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Retries of a group within its step, or of a step."""

    max_retries: Times = 1
    """How often, after the first time."""
    delay_s: Annotated[float, msgspec.Meta(ge=0)] = 0
    """Seconds before the next try."""
    backoff: Backoff = "constant"
    """Whether each pause is as long as the first, longer by `delay_s`, or about twice as long as
    the one before."""
    jitter: Jitter = "none"
    """What chance makes of each pause: nothing, anything up to it, or `delay_s` more or less."""
    on: tuple[FailureKind, ...] = (
        "node",
        "exited",
        "evicted",
        "preempted",
        "lost",
        "not_started",
        "channel",
    )
    """Failures of a group that are worth another try. Not for a step, which Dagster tries again
    after any."""


NEVER = Retries(max_retries=0)


def as_retries(entry: Retries | int | None) -> Retries:
    """Return an entry of `dagster.yml` as retries: a number alone is how many."""
    if isinstance(entry, int):
        return Retries(max_retries=entry)
    return entry or NEVER
