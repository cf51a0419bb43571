"""A nested MLflow run for each worker that runs nodes.

kedro-mlflow does all the logging, as `mlflow.yml` says. This only chooses the run that it logs to:
before the plugin starts one, its configuration gets the id of a nested run, as if it stood under
`tracking.run.id`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro_manifest.events import MlflowRunStarted
from kedro_manifest.invocation import Invocation
from kedro_manifest.orchestration.hooks import MLFLOW_PLUGIN, names_hook

from kedro_pipes.worker.metadata_values import PipesMetadata, value
from kedro_pipes.worker.mlflow_parent import (
    GROUP_TAG,
    PARENT_TAG,
    RUN_TAG,
    ParentRuns,
    load_mlflow,
    plugin_config,
)

logger = logging.getLogger(__name__)


class MlflowRunHook:
    """Gives kedro-mlflow a run of this worker's own.

    Args:
        invocation: What the worker runs.
        tell: Is told of the run.
    """

    def __init__(self, invocation: Invocation, tell: Callable[[MlflowRunStarted], None]) -> None:
        self._invocation = invocation
        self._tell = tell
        self._config: Any = None
        self._started: MlflowRunStarted | None = None

    @property
    def metadata(self) -> PipesMetadata:
        """What is said of each asset: the run that knows of its making."""
        if self._started is None:
            return {}
        link = {} if self._started.url is None else {"mlflow/run": value("url", self._started.url)}
        return {
            **link,
            "mlflow/run_id": value("text", self._started.run_id),
            "mlflow/parent_run_id": value("text", self._started.parent_run_id),
        }

    @hook_impl(trylast=True)
    def after_context_created(self, context: Any) -> None:
        """Keep the plugin's configuration, once it has read and applied it."""
        self._config = plugin_config(context)

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any]) -> None:
        """Make a nested run, and let the plugin resume it."""
        run, config = self._invocation.mlflow, self._config
        if run is None or config is None or _is_disabled(config, run_params):
            return
        if any(names_hook(MLFLOW_PLUGIN, name) for name in self._invocation.hooks_once):
            return  # The plugin starts its run in another worker, as `run_hooks` says.
        if load_mlflow().active_run() is not None:
            return  # A hook has started one: the plugin says so, and logs there.
        parents = ParentRuns(config, run)
        parent_id = run.run_id or parents.open(self._invocation.dagster_run_id)
        tags = {
            PARENT_TAG: parent_id,
            RUN_TAG: self._invocation.dagster_run_id,
            GROUP_TAG: self._invocation.group,
        }
        run_id = parents.create(self._invocation.group, tags)
        config.tracking.run.id = run_id
        config.tracking.run.name = self._invocation.group
        self._started = MlflowRunStarted(
            run_id=run_id, parent_run_id=parent_id, url=parents.url(run_id)
        )
        self._tell(self._started)

    def fail(self) -> None:
        """End the run as failed where the plugin has not: a node may leave by `sys.exit`.

        MLflow itself would end it as finished when the process ends.
        """
        if self._started is None:
            return
        mlflow, run_id = load_mlflow(), self._started.run_id
        try:
            while mlflow.active_run() is not None:
                mlflow.end_run("FAILED")
            client = mlflow.MlflowClient()
            if client.get_run(run_id).info.status == "RUNNING":
                client.set_terminated(run_id, "FAILED")
        except Exception as error:  # noqa: BLE001 - what failed is the node, which is told next
            logger.warning("Cannot end MLflow run '%s' as failed: %s", run_id, error)


def _is_disabled(config: Any, run_params: dict[str, Any]) -> bool:
    """Tell whether `mlflow.yml` disables tracking for all pipelines of the run, as the plugin does."""
    names = run_params.get("pipeline_names") or run_params.get("pipeline_name") or ["__default__"]
    names = [names] if isinstance(names, str) else names
    disabled = config.tracking.disable_tracking.pipelines
    return all(name in disabled for name in names)
