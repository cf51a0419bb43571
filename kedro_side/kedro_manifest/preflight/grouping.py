"""Findings on `dagster.yml` and on the groups that come of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from fnmatch import fnmatchcase

import msgspec

from kedro_manifest.errors import (
    AmbiguousGroupError,
    GroupCycleError,
    OrchestrationError,
)
from kedro_manifest.findings import Finding, Places, list_names
from kedro_manifest.model import Manifest
from kedro_manifest.orchestration.clients import DEFAULT_CLIENT
from kedro_manifest.orchestration.job_checks import check_jobs
from kedro_manifest.orchestration.root import Orchestration, orchestration_of
from kedro_manifest.planning.graph import PipelineGraph
from kedro_manifest.planning.grouping import GroupPolicy, unknown_datasets
from kedro_manifest.planning.plan import Group, Plan, plan_groups
from kedro_manifest.preflight.clients import check_clients
from kedro_manifest.preflight.data import REMOTE_CLIENTS, is_local_url
from kedro_manifest.preflight.elsewhere import check_elsewhere
from kedro_manifest.preflight.entries import ORCHESTRATION_FILE, entry_finding, refused
from kedro_manifest.preflight.placed import Surroundings
from kedro_manifest.settings.partitions import partitioned_nodes


def check_orchestration(manifest: Manifest) -> Iterator[Finding]:
    """Check `dagster.yml` on its own: types, values, keys that were probably meant otherwise."""
    try:
        orchestration = orchestration_of(manifest)
    except OrchestrationError as error:
        yield entry_finding(error)
        return
    for name, group in orchestration.groups.items():
        if not (group.nodes or group.tags or group.namespaces or group.pipelines):
            yield Finding(
                severity="error",
                code="empty-group",
                place=f"{ORCHESTRATION_FILE}: groups.{name}",
                message=f"Group '{name}' names no nodes.",
                cure="Give it `nodes`, `tags`, `namespaces` or `pipelines`, or take it out.",
            )


def check_partitions(graph: PipelineGraph) -> Iterator[Finding]:
    """Check what `dagster.yml` says of partitions against the nodes that there are."""
    try:
        orchestration = orchestration_of(graph.manifest)
    except OrchestrationError:
        return
    if not orchestration.partitions or check_jobs(graph, orchestration).problems:
        return  # what is wrong with jobs is told with them
    yield from refused(lambda: partitioned_nodes(graph, orchestration))


def check_groups(
    graph: PipelineGraph,
    places: Places,
    clients: Collection[str],
    around: Surroundings | None = None,
) -> Iterator[Finding]:
    """Check what `dagster.yml` says of groups against the nodes that there are.

    Args:
        graph: The nodes and datasets.
        places: Where things are written.
        clients: Kinds of clients of whose workers no more is known.
        around: What there is around the project; None to leave workers elsewhere alone.
    """
    try:
        orchestration = orchestration_of(graph.manifest)
    except OrchestrationError:
        return
    policy = orchestration.group_policy()
    yield from _check_memory_entries(graph, policy)
    unknown = unknown_datasets(graph, policy)
    known = {key: way for key, way in policy.memory_by_dataset.items() if key not in unknown}
    policy = msgspec.structs.replace(policy, memory_by_dataset=known)
    try:
        plan = plan_groups(graph, graph.nodes, policy)
    except OrchestrationError as error:
        yield entry_finding(error, "groups")
        return
    except (AmbiguousGroupError, GroupCycleError) as error:
        yield Finding(
            severity="error",
            code="groups-circle" if isinstance(error, GroupCycleError) else "groups",
            place=f"{ORCHESTRATION_FILE}: groups",
            message=str(error),
            cure="Mend `groups` or `grouping`; `kedro pipes plan` shows what comes of it.",
        )
        return
    yield from _check_plan(graph, plan, policy, places)
    yield from _check_settings(orchestration, plan)
    sound = _sound(orchestration, plan)
    yield from check_clients(orchestration, graph, sound.groups)
    if around is not None:
        yield from check_elsewhere(graph, orchestration, sound, places=places, around=around)
        for client, nodes in _nodes_by_client_of_jobs(graph, orchestration).items():
            of_jobs = _sound(orchestration, plan_groups(graph, nodes, policy))
            yield from check_elsewhere(
                graph, orchestration, of_jobs, places=places, around=around, client_of_run=client
            )
    yield from _check_staged(graph, plan, orchestration.store.backend, places)
    remote = sorted(REMOTE_CLIENTS.intersection(clients))
    if plan.staged and remote and is_local_url(orchestration.store.url):
        yield Finding(
            severity="error",
            code="store-local",
            place=f"{ORCHESTRATION_FILE}: store.url",
            message=f"{list_names(plan.staged)} would be staged in '{orchestration.store.url}', a local "
            f"folder that {list_names(remote, quote=False)} workers do not share.",
            cure="Set `store: {url: s3://…}` to a place that every worker reaches.",
        )


def _check_memory_entries(graph: PipelineGraph, policy: GroupPolicy) -> Iterator[Finding]:
    in_memory = {name for name in graph.producers if graph.is_memory(name)}
    unknown = unknown_datasets(graph, policy)
    for pattern in policy.memory_by_dataset:
        if pattern == "*" or any(fnmatchcase(name, pattern) for name in in_memory):
            continue
        near = get_close_matches(pattern, in_memory)
        persisted = pattern in graph.datasets and not graph.is_memory(pattern)
        yield Finding(
            severity="error" if pattern in unknown else "warning",
            code="unmatched-entry",
            place=f"{ORCHESTRATION_FILE}: memory_datasets.{pattern}",
            message=f"'{pattern}' is persisted, so nothing has to be said of it."
            if persisted
            else f"No node writes an in-memory dataset '{pattern}'.",
            cure=f"Did you mean {list_names(near)}?" if near else "Take the entry out.",
        )


def _check_plan(
    graph: PipelineGraph, plan: Plan, policy: GroupPolicy, places: Places
) -> Iterator[Finding]:
    for group in plan.groups:
        # What stands in dagster.yml by its own name is meant; so are groups that were asked for.
        # What may be staged, and is here all the same, can hardly be pickled.
        unsaid = [
            name
            for name in group.joined_by
            if graph.is_memory(name)
            and name not in policy.memory_by_dataset
            and not policy.may_stage(name)
        ]
        if unsaid and (group.label is None or group.label.kind == "node"):
            yield Finding(
                severity="warning",
                code="memory-edge",
                place=places.node(graph.producers[unsaid[0]]),
                message=f"In memory only: {list_names(unsaid)}. This keeps {len(group.nodes)} nodes in "
                f"one process: {list_names(group.nodes, quote=False)}.",
                cure="Add it to the catalog, or set `memory_datasets: {NAME: stage}` in "
                "dagster.yml (`group`, if it is meant).",
            )
    for warning in plan.warnings:
        yield Finding(
            severity="warning",
            code="widened-group",
            place=f"{ORCHESTRATION_FILE}: grouping",
            message=warning,
            cure="Group otherwise, or stage what binds them; `on_cycle: refuse` makes it an error.",
        )


def _check_settings(orchestration: Orchestration, plan: Plan) -> Iterator[Finding]:
    """Find groups that became one and say different things of their worker."""
    for error in filter(None, (_contradiction(orchestration, each) for each in plan.groups)):
        yield entry_finding(error, "groups")


def _sound(orchestration: Orchestration, plan: Plan) -> Plan:
    """Leave out the groups that became one and contradict each other."""
    groups = [each for each in plan.groups if _contradiction(orchestration, each) is None]
    return msgspec.structs.replace(plan, groups=groups)


def _nodes_by_client_of_jobs(
    graph: PipelineGraph, orchestration: Orchestration
) -> dict[str, set[str]]:
    """Return what jobs run through a client that they choose for all of their groups."""
    found: dict[str, set[str]] = {}
    for job in check_jobs(graph, orchestration).selected:
        client = job.named.job.client
        if client is not None and client != DEFAULT_CLIENT:
            found.setdefault(client, set()).update(job.nodes)
    return found


def _contradiction(orchestration: Orchestration, group: Group) -> OrchestrationError | None:
    try:
        orchestration.settings_of_group(group.explicit)
    except OrchestrationError as error:
        return error
    return None


def _check_staged(
    graph: PipelineGraph, plan: Plan, backend: str, places: Places
) -> Iterator[Finding]:
    """Find what crosses because it was asked for by name, and can hardly be pickled."""
    for name in plan.staged:
        reason = graph.unpicklable(name)
        if reason is not None:
            node = graph.producers[name]
            yield Finding(
                severity="warning",
                code="unpicklable",
                place=places.node(node),
                message=f"'{name}' is to be staged, but node '{node}' {reason}, which {backend} "
                "cannot pickle.",
                cure=f"Keep its nodes together: `memory_datasets: {{{name}: group}}`.",
            )
