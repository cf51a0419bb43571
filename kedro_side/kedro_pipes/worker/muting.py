"""Which run-scoped hooks a worker fires, where one run is many workers.

Kedro fires them in each session; what another worker fires for the run is taken out here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kedro_manifest.invocation import Invocation, RunBegins
from kedro_manifest.orchestration.hooks import RUN_SCOPED
from pluggy import PluginManager

from kedro_pipes.project.hook_registration import make_hook_manager, name_of


def mute_run_hooks(manager: PluginManager, invocation: Invocation) -> None:
    """Take out the implementations of run-scoped hooks that this worker must not fire."""
    fired = _fired_for_the_run(invocation)

    def fires(hook: str, name: str) -> bool:
        if invocation.conducts:
            return name not in invocation.hooks_per_process
        once = name in invocation.hooks_once
        # Without `run_hooks` a worker runs nodes, and fires those that are not fired once.
        return not once if fired is None else once and hook in fired

    _mute(manager, lambda hook, plugin: fires(hook, name_of(plugin, manager)))


def manager_of_worker(manager: PluginManager, invocation: Invocation) -> PluginManager:
    """Return what fires the hooks of a worker that a conductor has forked.

    Args:
        manager: The conductor's, which has fired what is once in a run.
        invocation: Names what fires in each worker.
    """
    # A manager has no way to take in again what was taken out of it.
    own = make_hook_manager(())
    for name, plugin in manager.list_name_plugin():
        if plugin is not None:
            own.register(plugin, name)
    _mute(own, lambda _, plugin: name_of(plugin, manager) in invocation.hooks_per_process)
    return own


def _mute(manager: PluginManager, fires: Callable[[str, Any], bool]) -> None:
    for hook in RUN_SCOPED:
        caller = getattr(manager.hook, hook)
        for implementation in list(caller.get_hookimpls()):
            if not fires(hook, implementation.plugin):
                # Pluggy can only leave out a plugin with all that it implements.
                caller._remove_plugin(implementation.plugin)  # noqa: SLF001


def _fired_for_the_run(invocation: Invocation) -> set[str] | None:
    if invocation.run_hooks is None:
        return None
    if isinstance(invocation.run_hooks, RunBegins):
        return {"before_pipeline_run"}
    return {"after_pipeline_run", "on_pipeline_error"}
