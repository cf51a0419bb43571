"""`kedro pipes plan`: options into a filter and a policy, a plan into text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
import msgspec
from kedro_manifest.errors import KedroPipesError
from kedro_manifest.model import Manifest
from kedro_manifest.orchestration.root import orchestration_of
from kedro_manifest.planning.graph import PipelineGraph
from kedro_manifest.planning.grouping import GroupPolicy
from kedro_manifest.planning.plan import plan_groups
from kedro_manifest.planning.selection import NodeFilter, filter_nodes, needed_nodes
from kedro_manifest.settings.workers import WorkerRules

from kedro_pipes.commands import completion
from kedro_pipes.commands.plan_picture import draw_mermaid, draw_svg
from kedro_pipes.commands.plan_view import PlanView, encode_view, render_plan, view_plan
from kedro_pipes.commands.project import (
    STDOUT,
    Command,
    explain,
    load_manifest,
    project_options,
    stdout_kept_clean,
    write_text,
)
from kedro_pipes.commands.waiting import waiting

_FORMATS = {
    "table": render_plan,
    "json": encode_view,
    "mermaid": draw_mermaid,
    "svg": draw_svg,
}


class NothingSelectedError(KedroPipesError):
    """No node passes all of the filters, or there is none.

    Cure: leave one of them out, or write a pipeline.
    """


def _split(_context: click.Context, _option: click.Parameter, text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _filter(
    *names: str, what: str, of: Callable[[Manifest], Iterable[str]]
) -> Callable[[Command], Command]:
    completer = completion.names_in(of, several=True)
    return click.option(
        *names,
        default="",
        metavar="NAME,…",
        callback=_split,
        shell_complete=completer,
        help=what,
    )


@click.command()
@_filter(
    *("-p", "--pipelines", "--pipeline"),
    of=completion.pipelines,
    what="Registered pipelines. Default: `__default__`.",
)
@_filter("-t", "--tags", of=completion.tags, what="Nodes with any of these tags.")
@_filter("-n", "--nodes", "node_names", of=completion.nodes, what="These nodes.")
@_filter("--from-nodes", of=completion.nodes, what="These nodes and all that follows from them.")
@_filter("--to-nodes", of=completion.nodes, what="These nodes and all that leads to them.")
@_filter("--from-inputs", of=completion.inputs, what="All that follows from these datasets.")
@_filter("--to-outputs", of=completion.outputs, what="All that leads to these datasets.")
@_filter("-ns", "--namespaces", of=completion.namespaces, what="Nodes in these namespaces.")
@project_options
@click.option(
    "--manifest",
    "manifest_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Plan with this manifest instead of the project.",
)
@click.option(
    "--group-by",
    type=click.Choice(["node", "namespace", "tag", "pipeline"]),
    help="Another strategy than dagster.yml's.",
)
@click.option(
    "--memory",
    type=click.Choice(["group", "stage"]),
    help="Keep nodes that share in-memory data together, or stage all of it.",
)
@click.option(
    "--on-cycle",
    type=click.Choice(["widen", "refuse"]),
    help="What to do with groups that would wait for each other.",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(list(_FORMATS)),
    default="table",
    show_default=True,
    help="`mermaid` is text that GitHub draws; `svg` needs the extra `[svg]`.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as `--format json`.")
@click.option(
    "-o", "--output", default=STDOUT, metavar="FILE", help="Write it there instead of printing it."
)
@click.pass_context
def plan(
    context: click.Context,
    /,
    output_format: str,
    as_json: bool,  # noqa: FBT001 - a command's options come by name
    output: str,
    **options: Any,
) -> None:
    """Show what would run, in which groups, and why. Runs nothing, reads no data.

    Takes the filters of `kedro run`. A group is what one process, container or pod runs.

    \b
    Examples:
      kedro pipes plan
          The whole default pipeline, grouped as dagster.yml says.
      kedro pipes plan --to-outputs report --memory stage
          What it takes to make one dataset, with in-memory data staged.
      kedro pipes plan --group-by namespace --format mermaid -o plan.mmd
          A picture for the README.
      python -m kedro_pipes plan --manifest manifest.json --json
          For a program; no project is loaded.
    """  # noqa: D301 - click wants the backspace itself
    try:
        view = _view(context, **options)
        with waiting("Drawing the plan"):
            text = _FORMATS["json" if as_json else output_format](view)
        write_text(text, output)
    except (KedroPipesError, OSError) as error:
        explain(error)
        context.exit(1)


def _view(
    context: click.Context,
    *,
    manifest_file: Path | None,
    group_by: str | None,
    memory: str | None,
    on_cycle: str | None,
    **options: Any,
) -> PlanView:
    filters = {
        field: names for field in NodeFilter.__struct_fields__ if (names := options.pop(field))
    }
    with stdout_kept_clean(), waiting("Loading the project"):
        manifest = load_manifest(context, manifest_file, **options)
    policy = _policy(manifest, group_by, memory, on_cycle)
    wanted = NodeFilter(**filters)
    graph = PipelineGraph(manifest)
    if not manifest.nodes:
        raise NothingSelectedError(
            "Cannot plan: the project has no nodes yet. Write a pipeline, and register it."
        )
    selected = filter_nodes(graph, wanted)
    if not selected:
        raise NothingSelectedError(
            "Cannot plan: no node passes all of the filters. Leave one of them out."
        )
    planned = plan_groups(graph, needed_nodes(graph, nodes=selected), policy)
    rules = WorkerRules(orchestration_of(manifest), graph)
    return view_plan(graph, planned, policy=policy, rules=rules, wanted=wanted, selected=selected)


def _policy(
    manifest: Manifest, group_by: str | None, memory: str | None, on_cycle: str | None
) -> GroupPolicy:
    """Return dagster.yml's policy, with what the command line says instead."""
    overrides: dict[str, Any] = {"strategy": group_by, "on_cycle": on_cycle}
    if memory:
        overrides |= {"memory_datasets": memory, "memory_by_dataset": {}}
    given = {field: value for field, value in overrides.items() if value is not None}
    policy = orchestration_of(manifest).group_policy()
    return msgspec.structs.replace(policy, **given)
