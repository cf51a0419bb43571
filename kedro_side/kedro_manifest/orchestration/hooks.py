"""`run_hooks`, `blocked_plugins`: Kedro's hooks where one run is many processes. Pure."""

from __future__ import annotations

from typing import Literal

RunHooks = Literal["once", "per_process"]

RUN_SCOPED = ("before_pipeline_run", "after_pipeline_run", "on_pipeline_error")
"""Hooks of Kedro that tell of a run as a whole."""

MLFLOW_PLUGIN = "kedro-mlflow"

KEEP_STATE = (MLFLOW_PLUGIN, "kedro-viz")
"""Plugins whose other hooks need what `before_pipeline_run` has left in their object, so that theirs
fire in every process unless `run_hooks` names them."""


def names_hook(entry: str, name: str) -> bool:
    """Tell whether an entry of the file means an implementation of hooks.

    Args:
        entry: A distribution, a package or module, or `module.Class`; `_` and `-` are the same.
        name: As the manifest spells it: a distribution, or `module.Class`.
    """
    wanted, found = _canonical(entry), _canonical(name)
    return found == wanted or found.startswith(f"{wanted}.")


def _canonical(name: str) -> str:
    return name.replace("_", "-").lower()
