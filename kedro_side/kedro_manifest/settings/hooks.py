"""Which run-scoped hooks fire once in a run, and which in every process. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from kedro_manifest.model import HookImplementation, Manifest
from kedro_manifest.orchestration.hooks import KEEP_STATE, RUN_SCOPED, RunHooks, names_hook
from kedro_manifest.orchestration.root import Orchestration

_ANY = "*"


def fired_once(manifest: Manifest, orchestration: Orchestration) -> list[HookImplementation]:
    """Return the implementations of run-scoped hooks that fire once in a run."""
    return [
        each
        for each in manifest.hooks
        if not set(RUN_SCOPED).isdisjoint(each.hooks)
        and mode_of(each.name, orchestration) == "once"
    ]


def mode_of(name: str, orchestration: Orchestration) -> RunHooks:
    """Return how the run-scoped hooks of an implementation fire; the longest entry counts."""
    said = orchestration.run_hooks
    modes: Mapping[str, RunHooks] = said if isinstance(said, dict) else {_ANY: said}
    named = [entry for entry in modes if entry != _ANY and names_hook(entry, name)]
    if named:
        return modes[max(named, key=len)]
    if any(names_hook(plugin, name) for plugin in KEEP_STATE):
        return "per_process"
    return modes.get(_ANY, "once")
