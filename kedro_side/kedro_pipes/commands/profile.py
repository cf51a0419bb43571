"""`kedro pipes profile`: a node's worker, run a few times with a clock beside it.

Knows which invocation the node's worker gets, and its phases; not how they are shown.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
import msgspec
from kedro_manifest.errors import KedroPipesError
from kedro_manifest.invocation import Invocation
from kedro_manifest.model import Manifest
from kedro_manifest.orchestration.root import orchestration_of
from kedro_manifest.planning.graph import PipelineGraph
from kedro_manifest.planning.plan import plan_groups
from kedro_manifest.planning.selection import needed_nodes

from kedro_pipes.commands.completion import names_in, nodes
from kedro_pipes.commands.profile_view import (
    Import,
    Phase,
    ProfileView,
    encode_profile,
    render_profile,
)
from kedro_pipes.commands.project import (
    STDOUT,
    explain,
    load_manifest,
    project_arguments,
    project_options,
    stdout_kept_clean,
    write_text,
)
from kedro_pipes.commands.waiting import waiting
from kedro_pipes.worker.phases import PHASES

_WORKER = [sys.executable, "-m", "kedro_pipes.worker.phases"]
_TIMED_IMPORTS = [sys.executable, "-X", "importtime", *_WORKER[1:]]


class UnknownNodeError(KedroPipesError):
    """No node has this name.

    Cure: see the names with `kedro pipes plan`.
    """


class ProfiledNodeError(KedroPipesError):
    """The worker failed; its output is shown.

    Cure: mend what it says. Where an input is not there yet, run what makes it first.
    """


@click.command()
@click.argument("node", shell_complete=names_in(nodes))
@project_options
@click.option(
    "--runs",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="How often the worker is started; medians are shown.",
)
@click.option("--json", "as_json", is_flag=True, help="For a program.")
@click.option(
    "-o", "--output", default=STDOUT, metavar="FILE", help="Write it there instead of printing it."
)
@click.pass_context
def profile(
    context: click.Context,
    /,
    node: str,
    runs: int,
    as_json: bool,  # noqa: FBT001 - a command's options come by name
    output: str,
    **options: Any,
) -> None:
    """Show where the time of NODE's worker goes, from the interpreter to its exit.

    Runs the node for real, and all that shares a worker with it: inputs are loaded from where the
    catalog says, and outputs are saved there. Dagster is not needed, and learns nothing of it.

    What to do about the longest bars: under `imports` and `interpreter` nothing can be won, but
    `start: warm` pays them once in a run. Under `settings` and `pipelines` see the second table:
    import a large library inside the function that needs it, and let `register_pipelines` build
    each pipeline by itself, so that the others are not loaded. Under `hooks` name plugins that
    nodes can do without in `blocked_plugins`. Under `configuration` use dataset factories in
    place of many entries.

    \b
    Examples:
      kedro pipes profile clean_flights
          A table with bars.
      kedro pipes profile clean_flights --env prod --runs 10 --json -o before.json
          For a program, to compare with later.
    """  # noqa: D301 - click wants the backspace itself
    try:
        with stdout_kept_clean(), waiting("Running the worker"):
            view = _measure(context, node, runs, **options)
        write_text((encode_profile if as_json else render_profile)(view), output)
    except (KedroPipesError, OSError) as error:
        explain(error)
        context.exit(1)


def _measure(context: click.Context, node: str, runs: int, **options: Any) -> ProfileView:
    manifest = load_manifest(context, None, **options)
    invocation = _invocation(manifest, node, project_arguments(context, **options))
    folder = _project_folder(options["package_name"])
    with tempfile.TemporaryDirectory(prefix="kedro-pipes-profile-") as scratch:
        counted = [_run(invocation, folder, Path(scratch), _WORKER) for _ in range(runs + 1)][1:]
        imports = _run(invocation, folder, Path(scratch), _TIMED_IMPORTS)
    return ProfileView(
        node=node,
        nodes=invocation.nodes,
        runs=runs,
        seconds=statistics.median(run.seconds for run in counted),
        processor_s=statistics.median(run.processor_s for run in counted),
        phases=[
            Phase(
                name=name,
                what=what,
                seconds=statistics.median(run.taken[name][0] for run in counted),
                processor_s=statistics.median(run.taken[name][1] for run in counted),
            )
            for name, what in PHASES.items()
        ],
        imports=_by_package(imports.errors),
    )


def _invocation(manifest: Manifest, node: str, options: dict[str, Any]) -> Invocation:
    """Return what the worker of a node is asked to run, without anything to report to."""
    graph = PipelineGraph(manifest)
    if node not in graph.nodes:
        near = get_close_matches(node, graph.nodes, n=1)
        meant = f"Did you mean '{near[0]}'?" if near else "See them with `kedro pipes plan`."
        raise UnknownNodeError(f"Cannot profile node '{node}': the project has none. {meant}")
    policy = orchestration_of(manifest).group_policy()
    planned = plan_groups(graph, needed_nodes(graph, nodes={node}), policy)
    nodes = next(group.nodes for group in planned.groups if node in group.nodes)
    holding = [each for each in manifest.pipelines if set(nodes) <= set(each.nodes)]
    smallest = min(holding, key=lambda each: len(each.nodes), default=None)
    return Invocation(
        group=node,
        nodes=nodes,
        pipelines=[smallest.name] if smallest else [each.name for each in manifest.pipelines],
        load_all=smallest is None or smallest.loads_alone is False,
        kedro_run_id=_timestamp(),
        dagster_run_id="profile",
        package_name=manifest.project.package_name,
        conf_source=options["conf_source"],
        env=options["env"],
        runtime_params=options["runtime_params"] or {},
    )


def _timestamp() -> str:
    now = datetime.now(timezone.utc)
    return f"{now:%Y-%m-%dT%H.%M.%S}.{now.microsecond // 1000:03}Z"


def _project_folder(package_name: str | None) -> Path:
    from kedro_pipes.project.loading import open_project  # noqa: PLC0415 - imports kedro

    return open_project(None, package_name).path


class _Run(msgspec.Struct, frozen=True, kw_only=True):
    """One worker that has ended well."""

    seconds: float
    processor_s: float
    taken: dict[str, list[float]]
    errors: str
    """What it wrote to standard error."""


def _run(invocation: Invocation, folder: Path, scratch: Path, command: list[str]) -> _Run:
    """Run one worker; each saves under a version of its own."""
    invocation = msgspec.structs.replace(invocation, kedro_run_id=_timestamp())
    asked, result = scratch / "invocation.json", scratch / "result.json"
    asked.write_bytes(msgspec.json.encode(invocation))
    with (scratch / "output").open("w+") as output, (scratch / "errors").open("w+") as errors:
        began_s = time.time()
        process = subprocess.Popen(  # noqa: S603 - this interpreter, and our own module
            [*command, str(asked), str(result)], cwd=folder, stdout=output, stderr=errors
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.time() - began_s
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        said = errors.read()
        if process.returncode != 0:
            lines = f"{output.read()}{said}".strip()
            raise ProfiledNodeError(
                f"{lines}\n\nCannot profile node '{invocation.group}': its worker ended with exit "
                f"code {process.returncode}. Mend what it says; where an input is not there yet, "
                "run what makes it first."
            )
    told = json.loads(result.read_text())
    taken: dict[str, list[float]] = told["taken"]
    # What the worker cannot time itself: what was before it, and what came after.
    taken["interpreter"][0] = told["began_s"] - began_s
    processor_s = used.ru_utime + used.ru_stime
    for index, whole in enumerate((seconds, processor_s)):
        taken["exit"][index] = max(0.0, whole - sum(each[index] for each in taken.values()))
    return _Run(seconds=seconds, processor_s=processor_s, taken=taken, errors=said)


def _by_package(importtime: str) -> list[Import]:
    """Add up what `-X importtime` says of each module by itself."""
    seconds: dict[str, float] = {}
    modules: dict[str, int] = {}
    for name, microseconds in _modules(importtime):
        package = name.split(".")[0]
        if package.lstrip("_") in sys.stdlib_module_names or package in sys.stdlib_module_names:
            package = "(standard library)"
        seconds[package] = seconds.get(package, 0.0) + microseconds / 1e6
        modules[package] = modules.get(package, 0) + 1
    return [
        Import(package=name, seconds=seconds[name], modules=modules[name])
        for name in sorted(seconds, key=lambda each: -seconds[each])
    ]


def _modules(importtime: str) -> Iterator[tuple[str, int]]:
    for line in importtime.splitlines():
        parts = line.removeprefix("import time:").split("|")
        if line.startswith("import time:") and parts[0].strip().isdigit():
            yield parts[2].strip(), int(parts[0])
