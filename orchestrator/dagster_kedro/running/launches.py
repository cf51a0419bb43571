"""What a client has to know to start a worker for a step: its Pipes context, and the project."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import dagster as dg
from dagster_pipes import PipesContextData
from kedro_manifest.invocation import Invocation, encode_invocation

from dagster_kedro.clients.base import WorkerLaunch
from dagster_kedro.project import KedroProject
from dagster_kedro.running.slices import pipes_partitions


def worker_launch(
    context: dg.AssetExecutionContext,
    project: KedroProject,
    invocation: Invocation,
    more_keys: Iterable[dg.AssetKey] = (),
) -> WorkerLaunch:
    """Return what a client has to know.

    Args:
        context: The step's.
        project: Whose worker it is.
        invocation: What the worker is asked to run.
        more_keys: Assets that its nodes may speak of, besides those that they report.
    """
    keys = [*invocation.dataset_assets.values(), *invocation.node_assets.values()]
    more = sorted(key.to_escaped_user_string() for key in more_keys)
    keys += [key for key in more if key not in keys]
    return WorkerLaunch(
        group=invocation.group,
        step=step_key(context),
        context_data=pipes_context(context, keys, encode_invocation(invocation)),
        project_dir=project.project_dir,
        python=project.python,
        step_context=context,
    )


def step_key(context: dg.AssetExecutionContext) -> str:
    """Return the key of the step that a context is of."""
    return str(context.get_step_execution_context().step.key)


def pipes_context(
    context: dg.AssetExecutionContext, asset_keys: Sequence[str], extras: dict[str, Any]
) -> dict[str, Any]:
    """Return the Pipes context of one worker: of its own assets only, however large the step.

    Args:
        context: The step's.
        asset_keys: Escaped keys of the assets that the worker reports to.
        extras: What else the worker is told.
    """
    data = PipesContextData(
        asset_keys=asset_keys,
        code_version_by_asset_key=dict.fromkeys(asset_keys),
        provenance_by_asset_key=dict.fromkeys(asset_keys),
        partition_key=None,
        partition_key_range=None,
        partition_time_window=None,
        run_id=context.run_id,
        job_name=context.job_name,
        retry_number=context.retry_number,
        extras=extras,
    )
    return {**data, **pipes_partitions(context)}
