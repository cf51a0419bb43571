"""`kedro pipes k8s sweep`: pods and config maps that are left become rows, and go."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import click
from kedro_manifest.labels import GROUP_LABEL, KUBERNETES_STEP_LABEL

from kedro_pipes.commands.k8s.cluster import KubectlCommand, Metadata
from kedro_pipes.commands.k8s.leftovers import (
    is_running,
    left_maps,
    owners_of,
    reason_to_keep,
    run_of,
    since,
)
from kedro_pipes.commands.leftovers import Limits
from kedro_pipes.commands.sweeping import Row, ago, sweep_and_tell, sweep_options


@click.command()
@sweep_options
@click.option(
    "-n", "--namespace", metavar="NAME", help="Default, as of what follows: as `kubectl` does."
)
@click.option("--context", "context_name", metavar="NAME", help="Context of the kubeconfig.")
@click.option("--kubeconfig", metavar="FILE", help="Says how clusters are reached.")
@click.pass_context
def sweep(
    context: click.Context,
    /,
    *,
    dry_run: bool,
    namespace: str | None,
    context_name: str | None,
    kubeconfig: str | None,
    **meant: Any,
) -> None:
    """Remove the pods of workers whose Dagster step is gone.

    A step removes its pod when it ends. One that is killed cannot: its worker notices, and ends
    itself, but the ended pod stays, with a config map if it was asked much.

    \b
    Removed, with the config maps that are their own:
      an ended pod, if it ended a minute ago or the step is gone
      a running one, if the step is gone (its containers are asked to stop first)
    Kept:
      a running one whose step runs
      a running one whose step cannot be asked from here, unless --running is given

    A step in the cluster runs as long as the pod that owns the worker's does; one on this machine
    as long as its process does. Only what bears the label `kedro-pipes/group` is looked at, in one
    namespace. Needs the `kubectl` command, and no project.

    \b
    Examples:
      kedro pipes k8s sweep --dry-run
          What is left in the namespace of the current context?
      kedro pipes k8s sweep --namespace data --older-than 1d
          Every night, by cron.
      kedro pipes k8s sweep --run 1c2d3e4f --running
          End what is left of a run that another machine has started, and remove it.
      python -m kedro_pipes k8s sweep --context production
          Of another cluster, outside of a project.
    """  # noqa: D301 - click wants the backspace itself
    cluster = KubectlCommand(kubeconfig, context_name, namespace)
    nothing = "Nothing is left: no pod or config map of a worker that is meant."
    sweep_and_tell(context, partial(_swept, cluster, dry_run=dry_run), nothing=nothing, **meant)


def _swept(cluster: KubectlCommand, limits: Limits, *, dry_run: bool) -> Iterator[Row]:
    pods = cluster.pods()
    running = [
        each.metadata.uid
        for each in cluster.pods_named([owner.name for owner in owners_of(pods)])
        if is_running(each)
    ]
    staying = {each.metadata.name for each in pods}
    for each in pods:
        if not limits.include(run_of(each.metadata), since(each)):
            continue
        name = each.metadata.name
        state = f"{each.status.phase} {ago(limits.now - since(each))}"
        row = _row(name, each.metadata, state)
        if reason := reason_to_keep(each, running, limits):
            yield row.kept(reason)
            continue
        row = row.removed(partial(cluster.remove_pod, each), dry_run=dry_run)
        if not row.failure:
            staying.remove(name)
        yield row
    for config_map in left_maps(cluster.config_maps(), staying, limits):
        metadata = config_map.metadata
        state = f"unused {ago(limits.now - metadata.creation_timestamp)}"
        row = _row(f"configmap {metadata.name}", metadata, state)
        yield row.removed(partial(cluster.remove_config_map, config_map), dry_run=dry_run)


def _row(name: str, metadata: Metadata, state: str) -> Row:
    return Row(
        name=name,
        group=metadata.annotations.get(GROUP_LABEL) or metadata.labels.get(GROUP_LABEL, ""),
        step=metadata.labels.get(KUBERNETES_STEP_LABEL, ""),
        run=run_of(metadata),
        state=state,
    )
