"""Run any program that speaks Dagster Pipes through our clients, under our contract."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from kedro_manifest.planning.plan import Group, Plan

from dagster_kedro.clients.base import KedroClient, WorkerLaunch, WorkerOverrides
from dagster_kedro.results.expected import Expected
from dagster_kedro.results.group_results import GroupResults, Outcome
from dagster_kedro.running.asset_checks import selected_checks
from dagster_kedro.running.launches import pipes_context, step_key
from dagster_kedro.running.scheduling import GroupScheduler
from dagster_kedro.running.telling import StepTeller
from dagster_kedro.running.worker_session import run_worker
from dagster_kedro.running.workers import refuse_unused


def stream_program(
    context: dg.AssetExecutionContext,
    client: KedroClient,
    command: list[str],
    extras: dict[str, Any],
    working_dir: Path,
    *,
    overrides: WorkerOverrides,
    timeout_s: float | None,
) -> Iterator[Any]:
    """Run one program; yield what it reports while it runs (see `KedroPipesResource`)."""
    assets = {key: f"asset '{key.to_user_string()}'" for key in sorted(context.selected_asset_keys)}
    keys = sorted(key.to_escaped_user_string() for key in assets)
    launch = WorkerLaunch(
        group=context.op.name,
        step=step_key(context),
        context_data=pipes_context(context, keys, extras),
        project_dir=working_dir,
        python=None,
        command=command,
        overrides=overrides,
        step_context=context,
    )
    refuse_unused(client, overrides, f"program '{_short(command)}'")
    expected = Expected(
        name=f"program '{_short(command)}'", assets=assets, checks=selected_checks(context)
    )
    plan = Plan(groups=[Group(name=launch.group, nodes=[])])
    scheduler = GroupScheduler(plan, max_concurrent=1)

    def run_group(_: Group, emit: Callable[[Outcome], None], stop: threading.Event) -> None:
        run_worker(client, launch, GroupResults(expected), emit, stop, timeout_s=timeout_s)

    yield from StepTeller(context).told(scheduler.outcomes(run_group))
    for failure in scheduler.failures:
        raise failure.error


def _short(command: list[str]) -> str:
    """Return a command as people call it: `python train.py`."""
    return " ".join(Path(part).name for part in command[:2])
