"""Names by pattern, as `dagster.yml` uses them: `*` stands for anything. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase


def matching_patterns(patterns: Iterable[str], name: str) -> list[str]:
    """Return the patterns that match a name, the most specific one last.

    The name itself comes after all others. A manifest sorts its keys, so that the order in the
    file cannot count.
    """
    found = [pattern for pattern in patterns if pattern == name or fnmatchcase(name, pattern)]
    return sorted(found, key=lambda pattern: (pattern == name, _specificity(pattern)))


def matching_names(names: Iterable[str], pattern: str) -> list[str]:
    """Return the names that a pattern stands for, in their order."""
    return [name for name in names if name == pattern or fnmatchcase(name, pattern)]


def is_pattern(text: str) -> bool:
    """Tell whether a text stands for more than the name that it spells."""
    return any(character in text for character in "*?[")


def _specificity(pattern: str) -> tuple[int, str]:
    return len(pattern) - pattern.count("*"), pattern
