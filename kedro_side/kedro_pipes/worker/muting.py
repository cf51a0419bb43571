"""Which run-scoped hooks a worker fires, where one run is many workers.

Kedro fires them in each session; what another worker fires for the run is taken out here.
"""

from __future__ import annotations

from kedro_manifest.invocation import Invocation, RunBegins
from kedro_manifest.orchestration.hooks import RUN_SCOPED
from pluggy import PluginManager

from kedro_pipes.project.hook_registration import name_of


def mute_run_hooks(manager: PluginManager, invocation: Invocation) -> None:
    """Take out the implementations of run-scoped hooks that this worker must not fire."""
    fired = _fired_for_the_run(invocation)
    for hook in RUN_SCOPED:
        caller = getattr(manager.hook, hook)
        for implementation in list(caller.get_hookimpls()):
            once = name_of(implementation.plugin, manager) in invocation.hooks_once
            # Without `run_hooks` a worker runs nodes, and fires those that are not fired once.
            fires = not once if fired is None else once and hook in fired
            if not fires:
                # Pluggy can only leave out a plugin with all that it implements.
                caller._remove_plugin(implementation.plugin)  # noqa: SLF001


def _fired_for_the_run(invocation: Invocation) -> set[str] | None:
    if invocation.run_hooks is None:
        return None
    if isinstance(invocation.run_hooks, RunBegins):
        return {"before_pipeline_run"}
    return {"after_pipeline_run", "on_pipeline_error"}
