"""What is configured for all groups of a run."""

from __future__ import annotations

from typing import Any

import msgspec


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A run's configuration, once the resource has resolved it."""

    env: str | None
    parameters: dict[str, Any]
    load_versions: dict[str, str]
    only_missing_outputs: bool
    max_concurrent: int
    log_level: str
