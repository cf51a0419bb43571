"""How often, and after which pause, something is tried again."""

from __future__ import annotations

from typing import Literal

import msgspec

Backoff = Literal["constant", "linear", "exponential"]
Jitter = Literal["none", "full", "plus_minus"]
FailureKind = Literal["node", "exited", "out_of_memory", "not_started", "timeout", "channel"]


class Retries(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Retries of a group within its step, or of a step."""

    max_retries: int = 1
    delay_s: float = 0
    backoff: Backoff = "constant"
    jitter: Jitter = "none"
    on: tuple[FailureKind, ...] = ("node", "exited", "not_started", "channel")
    """Failures of a group that are worth another try; a step is tried again after any."""
