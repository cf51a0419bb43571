"""Findings on the jobs of `dagster.yml`, and on what they name. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from kedro_manifest.errors import OrchestrationError
from kedro_manifest.findings import Finding
from kedro_manifest.orchestration.job_checks import check_jobs, unused_entries
from kedro_manifest.orchestration.root import orchestration_of
from kedro_manifest.planning.graph import PipelineGraph
from kedro_manifest.preflight.entries import ORCHESTRATION_FILE, entry_finding
from kedro_manifest.settings.job_runs import wrong_settings


def find_job_problems(graph: PipelineGraph) -> Iterator[Finding]:
    """Check the jobs against the nodes and the other entries that there are."""
    try:
        orchestration = orchestration_of(graph.manifest)
    except OrchestrationError:
        return  # found by whoever checks the file as a whole
    checked = check_jobs(graph, orchestration)
    for problem in checked.problems:
        yield entry_finding(problem, "jobs")
    if checked.problems:
        return
    for job in checked.selected:
        for problem in wrong_settings(graph.manifest, job.named):
            yield entry_finding(problem, "jobs")
    for place in unused_entries(orchestration, checked.selected):
        yield Finding(
            severity="warning",
            code="unused-entry",
            place=f"{ORCHESTRATION_FILE}: {place}",
            message=f"No job names `{place}`, so nothing comes of it.",
            cure="Name it in a job, or take it out.",
        )
