"""What Dagster's own schemas say of configuration out of `dagster.yml`, before any run.

Knows no file: whoever asks knows the place of what was wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import dagster as dg
import msgspec

_PATH = re.compile(r" at path root(?P<path>.*?)(?=\. |\.?$| not in | must be )", re.DOTALL)
_EXPECTED = re.compile(r' Expected: "(?P<schema>.*)"\.?$', re.DOTALL)
_UNEXPECTED = re.compile(r'unexpected config entry "(?P<name>.*?)"')
_ENTRY = re.compile(r"(?:^|[{\]}? ])\s*([^{}\[\]:?]+?)\??: ")


class ConfigProblem(msgspec.Struct, frozen=True):
    """One thing that Dagster refuses."""

    path: list[str]
    """Keys below the configuration's root."""
    message: str
    hint: str


class ConfigCheck:
    """Says what is wrong with run configurations, for a job with some resources.

    Args:
        resources: Resources of the job, by their keys.
        executor: Executor of the job; its own configuration is checked as well.
    """

    def __init__(
        self,
        *,
        resources: Mapping[str, dg.ResourceDefinition] | None = None,
        executor: dg.ExecutorDefinition | None = None,
    ) -> None:
        @dg.op(required_resource_keys=set(resources or {}))
        def nothing() -> None:
            """Never run."""

        @dg.job(resource_defs=resources, executor_def=executor)
        def checked() -> None:
            nothing()

        # Dagster keeps the schema with the job: one serves any number of configurations.
        self._job = checked

    def problems(self, run_config: Mapping[str, Any]) -> list[ConfigProblem]:
        """Return what Dagster refuses of a run configuration, as the Launchpad would send it."""
        try:
            dg.validate_run_config(self._job, dict(run_config))
        except dg.DagsterInvalidConfigError as error:
            return [_problem(each.message) for each in error.errors]
        return []


def _problem(said: str) -> ConfigProblem:
    """Take Dagster's sentence apart: it shows the whole schema, however long."""
    found = _PATH.search(said)
    path = found["path"].strip(":").split(":") if found else []
    expected = _EXPECTED.search(said)
    message = _PATH.sub("", _EXPECTED.sub("", said)).strip().rstrip(".")
    unexpected = _UNEXPECTED.search(said)
    if not (expected and unexpected):
        return ConfigProblem(path, message, "")
    known = [name.strip() for name in _ENTRY.findall(expected["schema"])]
    near = get_close_matches(unexpected["name"], known) or known
    if not near:
        return ConfigProblem(path, message, "Nothing may stand there.")
    return ConfigProblem(path, message, f"Did you mean {', '.join(map(repr, near[:5]))}?")
