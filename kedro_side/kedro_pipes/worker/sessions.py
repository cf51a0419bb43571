"""Run some nodes of a project in one real Kedro session, whatever Kedro's version.

Kedro from 1.4 on has a `KedroServiceSession` that takes the run id; before that, a
`KedroSession` makes its own, which is replaced before the run. Both fire every hook that is not
another worker's to fire.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

import msgspec
from kedro.framework.project import configure_project, pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import AbstractRunner
from kedro_manifest.invocation import Invocation
from kedro_manifest.names import strip_transcoding

from kedro_pipes.environment import idle_plugins
from kedro_pipes.garbage import resume_search
from kedro_pipes.project.catalogs import get_dataset
from kedro_pipes.project.hook_registration import registering
from kedro_pipes.worker.muting import mute_run_hooks
from kedro_pipes.worker.shallow_stacks import shallow_stacks

try:
    from kedro.framework.session.service_session import KedroServiceSession
except ImportError:  # Kedro before 1.4
    KedroServiceSession = None  # type: ignore[assignment, misc]

logger = logging.getLogger(__name__)

DEFAULT_PIPELINE = "__default__"


def configure(project_path: Path, package_name: str) -> None:
    """Make a project importable: a source project by its folder, a packaged one by its name."""
    with shallow_stacks():
        if (project_path / "pyproject.toml").is_file():
            bootstrap_project(project_path)
        else:
            configure_project(package_name)


class LoadedNodes(msgspec.Struct, frozen=True, kw_only=True):
    """The invocation's nodes, as few pipelines as possible having been loaded."""

    pipelines: list[str] | None
    """Those that were loaded; None for all."""
    nodes: dict[str, Node]
    """By name; what the project no longer has is left out."""


def load_nodes(invocation: Invocation) -> LoadedNodes:
    """Load the registered pipelines that hold the invocation's nodes."""
    loaded = _load_only(invocation)
    names = loaded or [*invocation.pipelines, DEFAULT_PIPELINE]
    held = [pipelines[name].nodes for name in names if name in pipelines]
    wanted = set(invocation.nodes)
    nodes = {node.name: node for nodes in held for node in nodes if node.name in wanted}
    return LoadedNodes(pipelines=loaded, nodes=nodes)


def run_session(
    project_path: Path,
    invocation: Invocation,
    loaded: LoadedNodes,
    *,
    hooks: list[Any],
    runner: AbstractRunner,
) -> None:
    """Run the invocation's nodes, with `hooks` registered beside the project's own.

    Raises:
        Exception: Whatever a node, a dataset or a hook raised.
    """
    if KedroServiceSession is None:
        _run_classic_session(project_path, invocation, hooks, runner)
    else:
        _run_service_session(project_path, invocation, loaded, hooks, runner)


def existing_outputs(project_path: Path, invocation: Invocation) -> dict[str, list[str]]:
    """Return the persisted outputs of the invocation's nodes that exist, without transcoding.

    Each with its partitions, if it is a PartitionedDataset.
    """
    outputs = {name for node in load_nodes(invocation).nodes.values() for name in node.outputs}
    with open_catalog(project_path, invocation) as catalog:
        return {
            strip_transcoding(name): _existing_partitions(catalog, name)
            for name in sorted(outputs)
            if catalog.exists(name)
        }


@contextmanager
def open_catalog(project_path: Path, invocation: Invocation) -> Iterator[Any]:
    """Open a session for its catalog, in which nothing is run."""
    with open_context(project_path, invocation) as context:
        yield context.catalog


@contextmanager
def open_context(project_path: Path, invocation: Invocation) -> Iterator[Any]:
    """Open a session for its context, in which nothing is run."""
    with _open_session(project_path, invocation) as session:
        if KedroServiceSession is None:
            context = session.load_context()
        else:
            context = session.load_context(invocation.runtime_params or None)
        resume_search()
        yield context


def _existing_partitions(catalog: Any, name: str) -> list[str]:
    dataset = get_dataset(catalog, name)
    # Loading gives a function for each partition, which nobody calls. An incremental dataset
    # would really load them all: of that, none is known.
    lazy = type(dataset).__name__ == "PartitionedDataset"
    return sorted(map(str, dataset.load())) if lazy else []


def _run_service_session(
    project_path: Path,
    invocation: Invocation,
    loaded: LoadedNodes,
    hooks: list[Any],
    runner: AbstractRunner,
) -> None:
    if loaded.pipelines is None:
        _widen_default(invocation)
    session = _open_session(project_path, invocation)
    with session:
        _settle_hooks(session, hooks, invocation)
        session.run(
            run_id=invocation.kedro_run_id,
            pipeline_names=loaded.pipelines,
            node_names=invocation.nodes,
            runner=runner,
            load_versions=invocation.load_versions or None,
            runtime_params=invocation.runtime_params or None,
        )


def _run_classic_session(
    project_path: Path, invocation: Invocation, hooks: list[Any], runner: AbstractRunner
) -> None:
    _widen_default(invocation)
    session = _open_session(project_path, invocation)
    # Kedro's run id and save version are this session's id: the run's, not one of its own.
    session.session_id = invocation.kedro_run_id
    session._store["session_id"] = invocation.kedro_run_id  # noqa: SLF001 - `store` is a copy
    with session:
        _settle_hooks(session, hooks, invocation)
        session.run(
            node_names=invocation.nodes,
            runner=runner,
            load_versions=invocation.load_versions or None,
        )


def _open_session(project_path: Path, invocation: Invocation) -> Any:
    options: dict[str, Any] = {
        "project_path": project_path,
        "env": invocation.env,
        "conf_source": invocation.conf_source,
    }
    with registering([*invocation.blocked_plugins, *idle_plugins()]):
        if KedroServiceSession is not None:
            return KedroServiceSession.create(session_id=invocation.dagster_run_id, **options)
        known = signature(KedroSession.create).parameters
        runtime_params = "runtime_params" if "runtime_params" in known else "extra_params"
        options[runtime_params] = invocation.runtime_params or None
        return KedroSession.create(**options)


def _load_only(invocation: Invocation) -> list[str] | None:
    """Load only the invocation's pipelines; None where that fails and all are needed.

    A registry composed of its own entries (`pipelines["etl"] = pipelines["a"] + …`) cannot
    be loaded in part. The export has tried it, but in another environment.
    """
    if invocation.load_all or not hasattr(pipelines, "set_requested"):  # Kedro before 1.5
        return None
    pipelines.set_requested(invocation.pipelines)
    try:
        if set(invocation.nodes) <= _node_names(invocation.pipelines):
            return invocation.pipelines
    except Exception:
        logger.debug("Cannot load %s alone; loading all.", invocation.pipelines, exc_info=True)
    pipelines.set_requested(None)
    return None


def _widen_default(invocation: Invocation) -> None:
    """Let the default pipeline of this process hold the nodes, whichever pipelines do."""
    if not set(invocation.nodes) <= _node_names([DEFAULT_PIPELINE]):
        union = Pipeline([])
        for name in invocation.pipelines:
            union += pipelines[name]
        pipelines[DEFAULT_PIPELINE] = union


def _node_names(names: list[str]) -> set[str]:
    return {node.name for name in names if name in pipelines for node in pipelines[name].nodes}


def _settle_hooks(session: Any, hooks: list[Any], invocation: Invocation) -> None:
    # Sessions take hooks from settings and entry points only; ours exist for one run.
    manager = session._hook_manager  # noqa: SLF001
    for hook in hooks:
        manager.register(hook)
    mute_run_hooks(manager, invocation)
