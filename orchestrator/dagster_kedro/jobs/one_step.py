"""The executor of runs whose only step starts workers. Run time only; knows no manifest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg

from dagster_kedro.assets.index import INDEX_TAG

_DAGSTERS_OWN: Any = dg.multi_or_in_process_executor


class _OneStepInProcess(dg.Executor):
    """Runs a step that is alone and starts workers itself; leaves all others to another executor."""

    def __init__(self, in_process: dg.Executor, other: dg.Executor) -> None:
        self._in_process = in_process
        self._other = other

    @property
    def retries(self) -> Any:
        return self._other.retries

    @property
    def step_dependency_config(self) -> Any:
        return self._other.step_dependency_config

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[Any]:
        """Yield the events of the steps."""
        steps = [execution_plan.get_step_by_key(key) for key in execution_plan.step_keys_to_execute]
        alone = len(steps) == 1 and INDEX_TAG in steps[0].tags
        executor = self._in_process if alone else self._other
        yield from executor.execute(plan_context, execution_plan)


def _create(init_context: dg.InitExecutorContext) -> dg.Executor:
    chosen = _create_dagsters_own(init_context)
    options: Any = init_context.executor_config.get("multiprocess")
    if options is None:
        return chosen
    shared = {key: options[key] for key in ("retries", "step_dependency_config") if key in options}
    in_process = init_context._replace(executor_config={"in_process": shared})
    return _OneStepInProcess(_create_dagsters_own(in_process), chosen)


def _create_dagsters_own(init_context: dg.InitExecutorContext) -> dg.Executor:
    executor: dg.Executor = _DAGSTERS_OWN.executor_creation_fn(init_context)
    return executor


kedro_executor = dg.ExecutorDefinition(
    name="kedro_executor",
    config_schema=_DAGSTERS_OWN.config_schema,
    requirements=_DAGSTERS_OWN.get_requirements,
    executor_creation_fn=_create,
    description="As Dagster's default executor, but that a step which is alone in its run and starts "
    "workers is executed in the run's process.",
)
"""Dagster's default executor, without a process for a step that is alone and starts workers.

Such a step waits for the processes of its nodes. One of its own would import everything once more,
and protect nothing. Several steps, and those of other assets, are run as by
`dagster.multi_or_in_process_executor`, whose configuration this has.
"""
