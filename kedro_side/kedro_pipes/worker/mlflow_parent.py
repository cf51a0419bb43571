"""The MLflow run that stands for a run of Dagster, and for those that execute it again.

MLflow is kedro-mlflow's library and takes seconds to import, so it is touched only where the plugin
is active. Knows nothing of Dagster but the ids of its runs.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from typing import Any

from kedro_manifest.invocation import MlflowRun

from kedro_pipes.project.redaction import redact_uri

ROOT_TAG = "dagster.root_run_id"
"""Tag of the one run for all runs of Dagster that execute each other again; no other has it."""
RUN_TAG = "dagster.run_id"
"""Tag of it and of all that are nested in it."""
GROUP_TAG = "dagster.group"
PARENT_TAG = "mlflow.parentRunId"
_RUN_ID_VARIABLE = "MLFLOW_RUN_ID"

_SETTLING_S = 2.0
"""Longer than making a run takes: whoever made one at the same time is seen then."""


def plugin_config(context: Any) -> Any:
    """Return what kedro-mlflow has read from `mlflow.yml`; None where it is not active."""
    module = sys.modules.get("kedro_mlflow.config.kedro_mlflow_config")
    config = getattr(context, "mlflow", None)
    return config if module and isinstance(config, module.KedroMlflowConfig) else None


def load_mlflow() -> Any:
    """Return the library, which the plugin has imported."""
    return importlib.import_module("mlflow")


class ParentRuns:
    """The run of all that re-execute each other, in the experiment of `mlflow.yml`.

    Args:
        config: Of the plugin, applied.
        run: What is known of the run.
    """

    def __init__(self, config: Any, run: MlflowRun) -> None:
        self._client = load_mlflow().MlflowClient()
        self._tracking = config.tracking
        self._experiment = self._client.get_experiment_by_name(config.tracking.experiment.name)
        self._run = run
        # Taken away as MLflow does: the next run that is started would go on in it as well.
        self._named = config.tracking.run.id or os.environ.pop(_RUN_ID_VARIABLE, None)

    def open(self, dagster_run_id: str) -> str:
        """Find the run, or make it; it is running afterwards."""
        found = self._named or self.find() or self._elect(self._make())
        if self._client.get_run(found).info.status != "RUNNING":
            self._client.update_run(found, status="RUNNING")
        self._client.set_tag(found, RUN_TAG, dagster_run_id)
        self._client.set_tag(found, ROOT_TAG, self._run.root_run_id)
        return str(found)

    def find(self) -> str | None:
        """Return the oldest of the runs that were made for it; None if none was."""
        found = self._search(f"tags.`{ROOT_TAG}` = '{self._run.root_run_id}'")
        oldest = min(found, key=lambda run: (run.info.start_time, run.info.run_id), default=None)
        return None if oldest is None else str(oldest.info.run_id)

    def nested(self, parent_id: str) -> list[Any]:
        """Return the runs that are nested in one."""
        return self._search(f"tags.`{PARENT_TAG}` = '{parent_id}'")

    def create(self, name: str, tags: dict[str, str]) -> str:
        """Make a run, with the tags that MLflow gives it by itself as well."""
        registry = importlib.import_module("mlflow.tracking.context.registry")
        run = self._client.create_run(
            self._experiment.experiment_id, tags=registry.resolve_tags(tags), run_name=name
        )
        return str(run.info.run_id)

    def url(self, run_id: str) -> str | None:
        """Return where MLflow's interface shows a run, if it is a server that keeps it."""
        server = redact_uri(load_mlflow().get_tracking_uri()).rstrip("/")
        if not server.startswith(("http://", "https://")):
            return None
        return f"{server}/#/experiments/{self._experiment.experiment_id}/runs/{run_id}"

    def _make(self) -> str:
        name = self._tracking.run.name or self._run.name
        return self.create(name, {ROOT_TAG: self._run.root_run_id})

    def _elect(self, made: str) -> str:
        """Keep one of several that were made at the same time: the same for everybody.

        MLflow has no way to make a run only if there is none. Who makes one looks again when the
        others that saw none must have made theirs.
        """
        if not self._run.is_contended:
            return made
        time.sleep(_SETTLING_S)
        chosen = self.find() or made
        if chosen != made:
            self._client.delete_run(made)
        return chosen

    def _search(self, condition: str) -> list[Any]:
        found: list[Any] = []
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment.experiment_id], condition, page_token=token
            )
            found += page
            token = page.token
            if not token:
                return found
