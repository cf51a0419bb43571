"""Findings on where the planned groups would run, and on what limits them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from kedro_manifest.findings import Finding, list_names
from kedro_manifest.orchestration.root import Orchestration
from kedro_manifest.planning.graph import PipelineGraph
from kedro_manifest.planning.plan import Group
from kedro_manifest.preflight.entries import ORCHESTRATION_FILE, refused
from kedro_manifest.settings.workers import WorkerRules


def check_clients(
    orchestration: Orchestration, graph: PipelineGraph, groups: Iterable[Group]
) -> Iterator[Finding]:
    """Check what `dagster.yml` says of clients against the groups that there are."""
    yield from _check_limited_tags(orchestration, graph)
    yield from refused(lambda: WorkerRules(orchestration, graph).check(groups), "clients")


def _check_limited_tags(orchestration: Orchestration, graph: PipelineGraph) -> Iterator[Finding]:
    tags = {tag for node in graph.nodes.values() for tag in node.tags}
    for tag in sorted(orchestration.concurrency.tags.keys() - tags):
        near = get_close_matches(tag, tags)
        yield Finding(
            severity="warning",
            code="unmatched-entry",
            place=f"{ORCHESTRATION_FILE}: concurrency.tags.{tag}",
            message=f"No node has the tag '{tag}', so that nothing is limited.",
            cure=f"Did you mean {list_names(near)}?" if near else "Take the entry out.",
        )
