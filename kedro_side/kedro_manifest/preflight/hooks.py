"""Findings on what `dagster.yml` says of hooks. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from kedro_manifest.errors import OrchestrationError
from kedro_manifest.findings import Finding
from kedro_manifest.model import Manifest
from kedro_manifest.orchestration.hooks import names_hook
from kedro_manifest.orchestration.root import orchestration_of
from kedro_manifest.preflight.entries import ORCHESTRATION_FILE


def check_hooks(manifest: Manifest) -> Iterator[Finding]:
    """Find entries of `run_hooks` that name nothing that is registered."""
    try:
        run_hooks = orchestration_of(manifest).run_hooks
    except OrchestrationError:
        return  # found by whoever checks the file as a whole
    for entry in run_hooks if isinstance(run_hooks, dict) else ():
        if entry != "*" and not any(names_hook(entry, each.name) for each in manifest.hooks):
            yield Finding(
                severity="warning",
                code="unknown-hooks",
                place=f"{ORCHESTRATION_FILE}: run_hooks.{entry}",
                message=f"No plugin and no hook class '{entry}' is registered.",
                cure=f"Choose from {', '.join(each.name for each in manifest.hooks) or 'none'}, or "
                "take the entry out.",
            )
