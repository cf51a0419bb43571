"""Findings on what workers elsewhere do not see: local paths, the store, variables. Pure.

Elsewhere is in containers, in pods and on other hosts.
"""

from __future__ import annotations

from collections.abc import Iterator

from kedro_manifest.errors import OrchestrationError
from kedro_manifest.findings import Finding, Places, list_names
from kedro_manifest.orchestration.clients import DockerClient, K8sClient, SshClient
from kedro_manifest.orchestration.root import Orchestration
from kedro_manifest.planning.graph import PipelineGraph
from kedro_manifest.planning.plan import Plan
from kedro_manifest.preflight.placed import (
    PlacedGroup,
    Surroundings,
    elsewhere_by_client,
    name_groups,
    place_groups,
)
from kedro_manifest.preflight.sight import is_handed_on
from kedro_manifest.preflight.unseen_paths import check_paths, check_store


def check_elsewhere(
    graph: PipelineGraph,
    orchestration: Orchestration,
    plan: Plan,
    *,
    places: Places,
    around: Surroundings,
    client_of_run: str | None = None,
) -> Iterator[Finding]:
    """Check what workers elsewhere need against what they are given.

    Args:
        graph: The nodes and datasets.
        orchestration: The clients.
        plan: The groups, and what is staged between them.
        places: Where things are written.
        around: What there is around the project.
        client_of_run: The client that a job chooses for all of its groups.
    """
    try:
        placed = list(place_groups(graph, orchestration, plan.groups, client_of_run))
    except OrchestrationError:
        return  # A finding of its own.
    if not any(each.is_elsewhere for each in placed):
        return
    yield from check_paths(graph, placed, places, around)
    yield from check_store(graph, orchestration.store.url, plan.staged, placed, around)
    for name, groups in elsewhere_by_client(placed):
        yield from _check_variables(name, groups, around)
        if groups[0].is_of_image:
            yield from _check_local_folder(name, groups, around)


def _check_variables(
    client: str, groups: list[PlacedGroup], around: Surroundings
) -> Iterator[Finding]:
    by_name: dict[str, str] = {}
    for variable in around.variables:
        if not _is_out_of_sight(variable.file, groups[0], around):
            by_name.setdefault(variable.name, variable.file)
    for name, file in sorted(by_name.items()):
        lacking = [
            each
            for each in groups
            if isinstance(each.client, DockerClient | K8sClient | SshClient)
            and name not in each.env
            and not is_handed_on(each.client, each.pod, name)
        ]
        if lacking:
            yield Finding(
                severity="warning",
                code="unset-variable",
                place=file,
                message=f"The configuration reads the variable {name}, and client '{client}' does "
                f"not hand it to its {_workers_of(lacking[0])} ({name_groups(lacking)}).",
                cure=f"Add it to `pass_env` of `clients.{client}`, where Dagster's environment has "
                f"it, or {_otherwise(lacking[0])}.",
            )


def _workers_of(placed: PlacedGroup) -> str:
    if isinstance(placed.client, K8sClient):
        return "pods"
    return "containers" if isinstance(placed.client, DockerClient) else "workers"


def _otherwise(placed: PlacedGroup) -> str:
    if isinstance(placed.client, K8sClient):
        return "name a secret that has it in `env_secrets`, or set it under `env`"
    at_home = "in the image" if placed.is_of_image else "for logins on its hosts"
    return f"set it under `env` or {at_home}"


def _check_local_folder(
    client: str, groups: list[PlacedGroup], around: Surroundings
) -> Iterator[Finding]:
    folder = around.local_folder
    if folder is None or not _is_out_of_sight(folder, groups[0], around):
        return
    if around.is_folder_left_out:
        yield Finding(
            severity="error",
            code="conf-local",
            place=".dockerignore",
            message=f"It leaves {folder} out of images, and Kedro refuses to start without that "
            f"folder in {_workers_of(groups[0])} of client '{client}'.",
            cure=f"Write `{folder}/*`, which leaves the empty folder, or run with another Kedro "
            "environment.",
        )
    if around.local_files:
        yield Finding(
            severity="warning",
            code="conf-local",
            place=folder,
            message=f"Read here: {list_names(around.local_files)}. An image should not hold it, and "
            f"{_workers_of(groups[0])} of client '{client}' see nothing else.",
            cure="Name variables instead, as in `${oc.env:NAME}`, in a file that goes into the "
            f"image, and hand them on with `pass_env`; or mount the folder in `clients.{client}`.",
        )


def _is_out_of_sight(path: str, placed: PlacedGroup, around: Surroundings) -> bool:
    """Tell whether a path is of the folder that stays out of images, and is in no mount either."""
    folder = around.local_folder
    if folder is None or not (path == folder or path.startswith(f"{folder}/")):
        return False
    seen = placed.see(folder, around)
    return seen is not None and seen.source is None
