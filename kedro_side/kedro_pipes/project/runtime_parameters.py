"""Names that the configuration takes from `kedro run --params` only: `${runtime_params:NAME}`.

Reads what stands in the files, since a resolved configuration has no trace of them. Knows no
values, and nothing of the parameters that the project has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from kedro_pipes.project.configuration import configuration_files

_NAME = re.compile(r"\$\{\s*runtime_params:\s*['\"]?([^\s,{}$'\"]+)")
_RESOLVED_ELSEWHERE = frozenset({"globals", "dagster"})
"""Kedro has no runtime parameters for its globals, and `dagster.yml` is resolved at export."""


def find_runtime_parameters(loader: Any, env: str | None) -> list[str]:
    """Return the dotted names in the files that a loader reads, sorted; none of an archive.

    Args:
        loader: The project's own.
        env: Kedro environment.
    """
    patterns = getattr(loader, "config_patterns", None) or {}
    wanted = [each for key in patterns.keys() - _RESOLVED_ELSEWHERE for each in patterns[key]]
    names: set[str] = set()
    for file in configuration_files(loader, env, wanted):
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeError, yaml.YAMLError):
            continue  # What the project itself cannot read, it has said.
        for text in _texts(content):
            names.update(_NAME.findall(text))
    return sorted(names)


def _texts(value: Any) -> Iterator[str]:
    """Yield each text in a value; a comment is none."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(key)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
