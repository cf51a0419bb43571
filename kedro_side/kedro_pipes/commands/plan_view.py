"""A plan as people and programs read it: what runs, in which groups, and why. Pure.

`view_plan` collects what there is to say; the rest only spells it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import click
import msgspec
from kedro_manifest.findings import count
from kedro_manifest.names import strip_transcoding
from kedro_manifest.planning.graph import PipelineGraph, inputs_of, outputs_of
from kedro_manifest.planning.grouping import GroupPolicy, Label, label_nodes
from kedro_manifest.planning.plan import Group, Plan
from kedro_manifest.planning.selection import NodeFilter
from kedro_manifest.settings.workers import WorkerRules

from kedro_pipes.commands.tables import layout_table

VIEW_VERSION = "1.0"
"""`major.minor` of what `--json` prints; described in docs/reference/cli.md."""

EdgeKind = Literal["persisted", "memory", "staged"]


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset that one node hands to another."""

    source: str
    target: str
    dataset: str
    kind: EdgeKind


class Unpicklable(msgspec.Struct, frozen=True, kw_only=True):
    """An in-memory dataset that is not staged, although it may be."""

    dataset: str
    node: str
    """The node that writes it."""
    reason: str
    """What speaks against pickling it, told of the node."""


class GroupView(msgspec.Struct, frozen=True, kw_only=True):
    """What one process runs, and why these nodes share it."""

    name: str
    nodes: list[str]
    upstream: list[str]
    labels: list[Label]
    """What nodes of it were grouped by, if more than one of them was."""
    in_memory: list[str]
    """Datasets that cannot leave the process."""
    unpicklable: list[Unpicklable] = []
    """Those of them that would be staged, if they could be pickled."""
    confirmed: list[str]
    """Incremental datasets that are loaded and confirmed here."""
    between: list[str]
    """Nodes that none of these binds: they lie on a path between those that are bound."""
    loads: list[str]
    """Persisted datasets that other processes, or nobody here, wrote."""
    saves: list[str]
    """Persisted datasets."""
    client: str | None = None
    """Which of the clients of dagster.yml runs it; None where it names none for it."""


class PlanView(msgspec.Struct, frozen=True, kw_only=True):
    """All that is shown of a plan."""

    version: str = VIEW_VERSION
    project: str
    manifest: str
    """Content hash of the manifest."""
    filters: dict[str, list[str]]
    """The filters of `kedro run` that were given."""
    strategy: str
    memory_datasets: str
    on_cycle: str
    selected: list[str]
    """Nodes that the filters stand for."""
    added: list[str]
    """Nodes that run besides, because what they make is in memory only."""
    saved_besides: list[str]
    """Persisted datasets that are written anew although nobody selected them."""
    groups: list[GroupView]
    edges: list[Edge]
    staged: list[str]
    """In-memory datasets that cross between processes, through the store."""
    warnings: list[str]


def view_plan(
    graph: PipelineGraph,
    plan: Plan,
    *,
    policy: GroupPolicy,
    rules: WorkerRules,
    wanted: NodeFilter,
    selected: Iterable[str],
) -> PlanView:
    """Collect what there is to say of a plan.

    Raises:
        OrchestrationError: Nobody can say which client runs a group.
    """
    chosen = set(selected)
    labels = label_nodes(graph, policy)
    added = [name for name in plan.nodes if name not in chosen]
    return PlanView(
        project=graph.manifest.project.name,
        manifest=graph.manifest.content_hash,
        filters={name: values for name, values in _filters(wanted).items() if values},
        strategy=policy.strategy,
        memory_datasets=policy.memory_datasets,
        on_cycle=policy.on_cycle,
        selected=[name for name in plan.nodes if name in chosen],
        added=added,
        saved_besides=_persisted(graph, _outputs(graph, added)),
        groups=[
            _view_group(graph, group, labels, policy, rules.of_group(group).client)
            for group in plan.groups
        ],
        edges=_edges(graph, plan),
        staged=plan.staged,
        warnings=plan.warnings,
    )


def encode_view(view: PlanView) -> str:
    """Return the view as JSON, two-space indent."""
    return msgspec.json.format(msgspec.json.encode(view), indent=2).decode()


def describe_reason(group: GroupView) -> str:
    """Say why the nodes of a group share a process; empty for a node on its own."""
    if len(group.nodes) == 1:
        return ""
    reasons = [str(label) for label in group.labels]
    doubted = [each.dataset for each in group.unpicklable]
    if in_memory := [name for name in group.in_memory if name not in doubted]:
        reasons.append(f"in memory: {', '.join(in_memory)}")
    if group.unpicklable:
        told = [f"{each.dataset} ({each.node} {each.reason})" for each in group.unpicklable]
        reasons.append(f"cannot be pickled: {', '.join(told)}")
    if group.confirmed:
        reasons.append(f"loaded and confirmed: {', '.join(group.confirmed)}")
    if group.between:
        reasons.append(f"on a path between: {', '.join(group.between)}")
    return "; ".join(reasons)


def render_plan(view: PlanView) -> str:
    """Return the table, what is staged or runs besides, and the warnings."""
    numbers = {group.name: str(index) for index, group in enumerate(view.groups, 1)}
    columns = ["#", "GROUP", "AFTER", "CLIENT", "TOGETHER BECAUSE OF"]
    rows = [columns, *(row for group in view.groups for row in _rows(group, numbers))]
    if not any(group.client for group in view.groups):
        unused = columns.index("CLIENT")
        rows = [[*row[:unused], *row[unused + 1 :]] for row in rows]
    header, *lines = layout_table(rows[0], rows[1:])
    return "\n".join(
        [_title(view), "", click.style(header, bold=True), *lines, *_closing_lines(view)]
    )


def _title(view: PlanView) -> str:
    selected = len(view.selected)
    besides = f" and {len(view.added)} besides" if view.added else ""
    return (
        f"{view.project}: {count(selected, 'node')}{besides} in "
        f"{count(len(view.groups), 'group')}, grouped by {view.strategy}"
    )


def _rows(group: GroupView, numbers: dict[str, str]) -> list[Sequence[str]]:
    after = ", ".join(sorted((numbers[name] for name in group.upstream), key=int))
    first = (numbers[group.name], group.name, after, group.client or "", describe_reason(group))
    if group.nodes == [group.name]:
        return [first]
    return [first, *(("", f"  {name}", "", "", "") for name in group.nodes)]


def _closing_lines(view: PlanView) -> list[str]:
    said = [
        ("Runs besides the selection, to make what is in memory only", view.added),
        ("Written besides the selection", view.saved_besides),
        ("Staged between processes", view.staged),
    ]
    lines = [f"{what}: {', '.join(names)}" for what, names in said if names]
    warnings = [click.style(f"Warning: {warning}", fg="yellow") for warning in view.warnings]
    return ["", *lines, *warnings] if lines or warnings else []


def _filters(wanted: NodeFilter) -> dict[str, list[str]]:
    filters: dict[str, Any] = msgspec.to_builtins(wanted)
    return filters


def _view_group(
    graph: PipelineGraph,
    group: Group,
    labels: Mapping[str, Label],
    policy: GroupPolicy,
    client: str | None,
) -> GroupView:
    shared = Counter(labels[name] for name in group.nodes)
    bound = {name for name in group.nodes if shared[labels[name]] > 1}
    in_memory = [
        name for name in group.joined_by if graph.is_memory(name) or graph.is_of_process(name)
    ]
    written = _outputs(graph, group.nodes)
    read = {name for node in group.nodes for name in inputs_of(graph.nodes[node])}
    return GroupView(
        name=group.name,
        nodes=group.nodes,
        upstream=group.upstream,
        labels=sorted((each for each, size in shared.items() if size > 1), key=str),
        in_memory=in_memory,
        unpicklable=[
            Unpicklable(dataset=name, node=graph.producers[name], reason=reason)
            for name in in_memory
            if policy.may_stage(name) and (reason := graph.unpicklable(name))
        ],
        confirmed=[name for name in group.joined_by if name not in in_memory],
        between=_between(graph, group, bound),
        loads=_persisted(graph, read - written),
        saves=_persisted(graph, written),
        client=client,
    )


def _between(graph: PipelineGraph, group: Group, bound: set[str]) -> list[str]:
    """Nodes of a group that nothing binds: without them it would not be convex."""
    data = set(group.joined_by)
    return [
        name
        for name in group.nodes
        if name not in bound and data.isdisjoint(_touched(graph, name)) and len(group.nodes) > 1
    ]


def _touched(graph: PipelineGraph, name: str) -> set[str]:
    node = graph.nodes[name]
    return {*inputs_of(node), *outputs_of(node), *map(strip_transcoding, node.confirms)}


def _outputs(graph: PipelineGraph, nodes: Iterable[str]) -> set[str]:
    return {name for node in nodes for name in outputs_of(graph.nodes[node])}


def _persisted(graph: PipelineGraph, datasets: Iterable[str]) -> list[str]:
    return sorted(name for name in datasets if not graph.is_memory(name))


def _edges(graph: PipelineGraph, plan: Plan) -> list[Edge]:
    planned = set(plan.nodes)
    group_of = {node: group.name for group in plan.groups for node in group.nodes}

    def kind_of(source: str, target: str, dataset: str) -> EdgeKind:
        if not graph.is_memory(dataset):
            return "persisted"
        return "memory" if group_of[source] == group_of[target] else "staged"

    return [
        Edge(source=source, target=target, dataset=name, kind=kind_of(source, target, name))
        for target in plan.nodes
        for name in inputs_of(graph.nodes[target])
        if (source := graph.producers.get(name, "")) in planned
    ]
