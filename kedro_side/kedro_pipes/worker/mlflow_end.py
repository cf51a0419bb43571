"""How the MLflow run of a run of Dagster ends: what is in it then, and its status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kedro_manifest.invocation import Invocation, MlflowEnd

from kedro_pipes.worker.mlflow_parent import (
    GROUP_TAG,
    RUN_TAG,
    ParentRuns,
    load_mlflow,
    plugin_config,
)

_PARAMS, _METRICS = 100, 1000
"""MLflow takes no more of them at a time."""


def end_run(context: Any, invocation: Invocation) -> None:
    """End the run that stands for a run of Dagster, and what is nested in it and has not ended.

    Args:
        context: Of Kedro, which the plugin has seen.
        invocation: Says which run, and how it ends.
    """
    config, run, end = plugin_config(context), invocation.mlflow, invocation.mlflow_end
    if config is None or run is None or end is None:
        return
    parents = ParentRuns(config, run)
    parent_id = run.run_id or parents.find()
    if parent_id is None:
        return
    client = load_mlflow().MlflowClient()
    nested = parents.nested(parent_id)
    for each in nested:
        if each.info.status == "RUNNING" and _is_over(each.data.tags, invocation, end):
            client.set_terminated(each.info.run_id, end.unfinished)
    try:
        if end.status != "KILLED":  # Who cancels a run waits for this.
            _sum_up(client, parent_id, nested)
    finally:
        client.set_terminated(parent_id, end.status)


def _is_over(tags: Mapping[str, str], invocation: Invocation, end: MlflowEnd) -> bool:
    """Tell whether the worker of a nested run is gone: other steps may have some at work."""
    of_earlier_run = tags.get(RUN_TAG) != invocation.dagster_run_id
    return end.groups is None or tags.get(GROUP_TAG) in end.groups or of_earlier_run


def _sum_up(client: Any, parent_id: str, nested: list[Any]) -> None:
    """Give a run the parameters, metrics and models of those in it: what `kedro run` would log.

    A run that is executed again is summed up again: a parameter keeps its first value, which MLflow
    lets nobody change, and a value of a metric that is told twice is kept once.
    """
    parent = client.get_run(parent_id)
    params, models = dict(parent.data.params), {each.model_id for each in _models(parent)}
    for run in sorted(nested, key=lambda each: each.info.start_time):
        new = {name: text for name, text in run.data.params.items() if name not in params}
        params |= new
        param = load_mlflow().entities.Param
        for batch in _batches([param(name, text) for name, text in new.items()], _PARAMS):
            client.log_batch(parent_id, params=batch)
        for name in run.data.metrics:
            for batch in _batches(client.get_metric_history(run.info.run_id, name), _METRICS):
                client.log_batch(parent_id, metrics=batch)
        if logged := [each for each in _models(run) if each.model_id not in models]:
            client.log_outputs(parent_id, logged)


def _models(run: Any) -> list[Any]:
    """Return the models that a run has logged, where MLflow keeps that (from 3 on)."""
    return list(getattr(getattr(run, "outputs", None), "model_outputs", None) or ())


def _batches(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for first in range(0, len(values), size):
        yield values[first : first + size]
