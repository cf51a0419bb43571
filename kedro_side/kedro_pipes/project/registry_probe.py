"""Which registered pipelines Kedro can load alone, found out by asking for each of them.

Kedro from 1.5 on lets a run name the pipelines that it needs, and `find_pipelines` then imports
no others. A registry that is composed of its own entries breaks on that. Knows the registry,
not the manifest.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

from kedro.framework.project import pipelines
from kedro.pipeline.node import Node
from kedro_manifest.planning.selection import DEFAULT_PIPELINE

_NOBODYS_NAME = "kedro-pipes-asks-for-a-pipeline-that-nobody-has"
_MOST_BUILT = 4
"""Probes stop once they have built so many times the nodes of the whole registry: counted in
nodes and not in seconds, because the same project must give the same manifest."""


def probe_registry(names: Iterable[str]) -> dict[str, bool | None]:
    """Tell of each registered pipeline whether Kedro can load it alone, with the same nodes.

    Runs the project's `register_pipelines` once for each, and leaves the registry as it was
    before its first use.

    Returns:
        By name: True or False; None for what was not found out, for the default pipeline, which
        Kedro never loads in part, and for all of them where Kedro is older than 1.5.
    """
    found: dict[str, bool | None] = dict.fromkeys(names)
    asked = sorted(found.keys() - {DEFAULT_PIPELINE})
    if not hasattr(pipelines, "set_requested"):
        return found
    whole = _nodes_by_pipeline(pipelines)
    try:
        with _silence():
            if _load_only(_NOBODYS_NAME) == whole:
                # It builds everything, whatever is asked for: nothing is lost by asking.
                return {**found, **dict.fromkeys(asked, True)}
            return {**found, **_probe_each(asked, whole)}
    finally:
        pipelines.set_requested(None)


def _probe_each(names: list[str], whole: Mapping[str, set[Node]]) -> dict[str, bool]:
    sizes = [len(nodes) for nodes in whole.values()]
    left, average = _MOST_BUILT * sum(sizes), 1 + sum(sizes) // max(1, len(sizes))
    found = {}
    for name in names:
        if left < 0:
            break
        loaded = _load_only(name)
        found[name] = loaded is not None and loaded.get(name) == whole[name]
        # How much was built before it failed cannot be known; most often that one pipeline.
        left -= sum(map(len, loaded.values())) if loaded is not None else average
    return found


def _load_only(name: str) -> dict[str, set[Node]] | None:
    """Return what the registry holds if it is asked for one pipeline; None if it fails."""
    pipelines.set_requested([name])
    try:
        return _nodes_by_pipeline(pipelines)
    except Exception:  # noqa: BLE001 - the registry is anybody's code
        return None


def _nodes_by_pipeline(registry: Mapping[str, Any]) -> dict[str, set[Node]]:
    """Nodes are equal if their names, inputs and outputs are; nothing may stand for none."""
    return {name: set(getattr(each, "nodes", ())) for name, each in dict(registry).items()}


@contextmanager
def _silence() -> Iterator[None]:
    """Kedro and the project say again, for each probe, what they have said already."""
    level = logging.root.manager.disable
    nowhere = io.StringIO()
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(nowhere), redirect_stderr(nowhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
