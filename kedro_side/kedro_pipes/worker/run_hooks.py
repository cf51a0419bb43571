"""Fire the hooks that tell of a run as a whole, in a real session in which nothing is run.

Kedro itself makes what they get: run parameters, filtered pipeline, catalog. Only the runner is
ours: it returns at once what the other workers have made, or raises why one of them failed.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import kedro
from kedro.io import DatasetError
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner
from kedro_manifest.errors import KedroPipesError
from kedro_manifest.invocation import Invocation, RunEnds, RunError

from kedro_pipes.worker.pinning import PinnedEntriesHook
from kedro_pipes.worker.sessions import load_nodes, run_session
from kedro_pipes.worker.staging import StagingHook


class WorkerFailedError(KedroPipesError):
    """Stands in `on_pipeline_error` for a failure whose exception cannot be made again."""


class WorkerTraceback(Exception):  # noqa: N818 - a text to be shown, not an error of its own
    """What the worker that failed has shown; the cause of the exception that hooks get."""


def fire_run_hooks(project_path: Path, invocation: Invocation) -> None:
    """Fire what an invocation says of its run.

    Raises:
        Exception: What a hook raised.
    """
    ends = invocation.run_hooks
    failure = ends.error if isinstance(ends, RunEnds) else None
    error = None if failure is None else rebuild(failure)
    hooks = [PinnedEntriesHook(invocation.load_versions), StagingHook(invocation, project_path)]
    runner = _FinishedRunner(error)
    try:
        run_session(project_path, invocation, load_nodes(invocation), hooks=hooks, runner=runner)
    except Exception as raised:
        if raised is not error:
            raise


class _FinishedRunner(SequentialRunner):
    """Returns what a runner returns of a run that others have finished, or raises."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self._error = error

    def run(self, pipeline: Pipeline, catalog: Any, *_: Any, **__: Any) -> dict[str, Any]:
        """Run nothing."""
        if self._error is not None:
            raise self._error
        return run_result(pipeline, catalog)


def run_result(pipeline: Pipeline, catalog: Any) -> dict[str, Any]:
    """Return the pipeline's outputs as Kedro's runners do.

    They are datasets; before Kedro 1.0, the data of those that nothing describes. Data in memory
    is gone with the worker that made it, unless it was staged.
    """
    if int(kedro.__version__.partition(".")[0]) > 0:
        return {
            name: catalog.get(name, fallback_to_runtime_pattern=True) for name in pipeline.outputs()
        }
    loaded = {}
    for name in pipeline.outputs():
        dataset = catalog._get_dataset(name) if name in catalog else None  # noqa: SLF001
        if dataset is not None and type(dataset).__name__ == "MemoryDataset":
            try:
                loaded[name] = dataset.load()
            except DatasetError:
                continue
    return loaded


def rebuild(failure: RunError) -> Exception:
    """Return the exception that a worker has failed with, as far as it can be made again."""
    error = _make(failure)
    if failure.traceback:
        error.__cause__ = WorkerTraceback(f"\n{failure.traceback.rstrip()}")
    return error


def _make(failure: RunError) -> Exception:
    module, _, name = failure.type.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module or "builtins"), name)
        if isinstance(kind, type) and issubclass(kind, Exception):
            made = kind(failure.message)
            if str(made) == failure.message:
                return made
    except Exception:  # noqa: BLE001, S110 - anybody's class, with a constructor of its own
        pass
    return WorkerFailedError(f"{name}: {failure.message}")
