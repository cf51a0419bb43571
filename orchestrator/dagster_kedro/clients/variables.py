"""Which variables of the orchestrator's environment a worker gets. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase


def variables_named(environment: Mapping[str, str], patterns: Iterable[str]) -> dict[str, str]:
    """Return the variables with certain names; `*` in a name stands for anything."""
    wanted = tuple(patterns)
    return {
        name: value
        for name, value in environment.items()
        if any(fnmatchcase(name, pattern) for pattern in wanted)
    }
