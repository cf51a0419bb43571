"""The session that a conductor holds, and what a worker does in the copy that it inherits.

Knows Kedro's session, runner and hooks; not how workers are forked.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from typing import Any

import msgspec
from kedro.framework.hooks import hook_impl
from kedro.io import core
from kedro.pipeline import Pipeline
from kedro.runner import AbstractRunner, SequentialRunner
from kedro_manifest.conducting import Finish
from kedro_manifest.invocation import Invocation

from kedro_pipes.conductor.inherited import refresh_datasets
from kedro_pipes.garbage import resume_search
from kedro_pipes.worker.muting import manager_of_worker
from kedro_pipes.worker.run_hooks import rebuild, run_result
from kedro_pipes.worker.sessions import LoadedNodes

logger = logging.getLogger(__name__)


class SessionHook:
    """Keeps what a session hands to hooks, and not to its runner."""

    def __init__(self) -> None:
        self.context: Any = None
        self.run_params: dict[str, Any] = {}

    @hook_impl(trylast=True)
    def after_context_created(self, context: Any) -> None:
        """Keep the context."""
        self.context = context

    @hook_impl(trylast=True)
    def before_pipeline_run(self, run_params: dict[str, Any]) -> None:
        """Keep what the run is told."""
        self.run_params = run_params


class HeldSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session whose run has begun."""

    context: Any
    pipeline: Pipeline
    catalog: Any
    hook_manager: Any
    run_params: dict[str, Any]


class ConductingRunner(SequentialRunner):
    """A runner that has others run the nodes, and returns or raises what came of it.

    Args:
        hook: Keeps what the session is.
        serve: Has workers forked until the run has ended; returns how.
    """

    def __init__(self, hook: SessionHook, serve: Callable[[HeldSession], Finish]) -> None:
        super().__init__()
        self._hook = hook
        self._serve = serve
        self.error: Exception | None = None
        """What the run is told to have failed with."""
        self.remove_staged: list[str] = []

    def run(
        self, pipeline: Pipeline, catalog: Any, hook_manager: Any = None, *_: Any, **__: Any
    ) -> dict[str, Any]:
        """Run nothing here."""
        _import_datasets(pipeline, catalog)
        resume_search()
        gc.collect()
        gc.freeze()  # What is not looked at stays shared.
        finish = self._serve(
            HeldSession(
                context=self._hook.context,
                pipeline=pipeline,
                catalog=catalog,
                hook_manager=hook_manager,
                run_params=self._hook.run_params,
            )
        )
        if finish.error is not None:
            self.error = rebuild(finish.error)
            raise self.error
        self.remove_staged = finish.remove_staged
        return run_result(pipeline, catalog)


class InheritedSession:
    """What a forked worker runs its nodes in (see `worker.run.NodeSession`)."""

    def __init__(self, held: HeldSession, invocation: Invocation) -> None:
        self._held = held
        self._invocation = invocation

    def load(self) -> LoadedNodes:
        """Return the nodes."""
        wanted = set(self._invocation.nodes)
        nodes = {node.name: node for node in self._held.pipeline.nodes if node.name in wanted}
        return LoadedNodes(pipelines=None, nodes=nodes)

    def run(self, loaded: LoadedNodes, hooks: list[Any], runner: AbstractRunner) -> None:
        """Run the nodes, as Kedro's session does."""
        held, invocation = self._held, self._invocation
        pipeline = held.pipeline.filter(node_names=list(loaded.nodes))
        refresh_datasets(
            held.catalog,
            sorted(pipeline.datasets()),
            invocation.load_versions,
            invocation.kedro_run_id,
        )
        manager = manager_of_worker(held.hook_manager, invocation)
        for hook in hooks:
            manager.register(hook)
            _catch_up(hook, "after_context_created", context=held.context)
            _catch_up(hook, "after_catalog_created", catalog=held.catalog)
        told = {"run_params": self._run_params(), "pipeline": pipeline, "catalog": held.catalog}
        manager.hook.before_pipeline_run(**told)
        try:
            result = runner.run(pipeline, held.catalog, manager, invocation.kedro_run_id)
        except Exception as error:
            manager.hook.on_pipeline_error(error=error, **told)
            raise
        manager.hook.after_pipeline_run(run_result=result, **told)

    def _run_params(self) -> dict[str, Any]:
        known = self._held.run_params
        run_id = "run_id" if "run_id" in known else "session_id"  # before Kedro 1.0
        return {
            **known,
            run_id: self._invocation.kedro_run_id,
            "node_names": self._invocation.nodes,
            "load_versions": self._invocation.load_versions or None,
        }


def _catch_up(hook: Any, name: str, **arguments: Any) -> None:
    """Call what a hook of ours would have been called with before it was there."""
    if hasattr(hook, name):
        getattr(hook, name)(**arguments)


def _import_datasets(pipeline: Pipeline, catalog: Any) -> None:
    """Import the classes of the datasets, and with them the libraries that all workers share.

    Their objects are for each worker to make: they may hold connections. What cannot be imported
    is left to fail where it is used.
    """
    for name in sorted(pipeline.datasets()):
        _import_dataset(catalog, name)


def _import_dataset(catalog: Any, name: str) -> None:
    try:
        lazy = getattr(catalog, "_lazy_datasets", {})
        config = lazy[name].config if name in lazy else _config_of(catalog, name)
        if config:
            core.parse_dataset_definition(dict(config))
    except Exception:
        logger.debug("Cannot import the class of dataset '%s'.", name, exc_info=True)


def _config_of(catalog: Any, name: str) -> Any:
    resolver = getattr(catalog, "config_resolver", None)
    if resolver is None or name in getattr(catalog, "_datasets", {}):
        return None
    return resolver.resolve_pattern(name)
