"""The commands `kedro pipes …`, and the same without Kedro's command line.

Turns options into arguments and errors into one line and an exit code; does nothing itself.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click
from kedro_manifest.codec import encode_manifest, write_manifest
from kedro_manifest.errors import KedroPipesError, NoKedroError
from kedro_manifest.findings import count
from kedro_manifest.model import Manifest

from kedro_pipes.commands.check import check
from kedro_pipes.commands.completion import names_in, pipelines
from kedro_pipes.commands.docker.group import docker
from kedro_pipes.commands.doctor.command import doctor
from kedro_pipes.commands.init import init, schema
from kedro_pipes.commands.k8s.group import k8s
from kedro_pipes.commands.plan import plan
from kedro_pipes.commands.profile import profile
from kedro_pipes.commands.project import (
    STDOUT,
    explain,
    project_arguments,
    project_options,
    say,
    stdout_kept_clean,
)
from kedro_pipes.commands.waiting import waiting
from kedro_pipes.environment import prepare_environment


@click.group(name="kedro-pipes")
def commands() -> None:
    """Commands that Kedro adds to its own."""


@commands.group()
@click.pass_context
def pipes(context: click.Context, /) -> None:
    """Run this project under Dagster, with kedro-dagster-pipes."""
    if os.environ.get("NO_COLOR"):
        # Click itself colours wherever there is a terminal.
        context.color = False


@pipes.command()
@click.option(
    "-o",
    "--output",
    default="manifest.json",
    show_default=True,
    metavar="FILE",
    help="Where to write it; `-` for standard output, best with `python -m kedro_pipes export`: "
    "`kedro` itself logs a line there first.",
)
@click.option(
    "-p",
    "--pipeline",
    "pipelines",
    multiple=True,
    metavar="NAME",
    shell_complete=names_in(pipelines),
    help="Export this registered pipeline only; repeat for several. Default: all.",
)
@project_options
@click.option(
    "--parameter-values/--no-parameter-values",
    default=True,
    help="Leave the parameters' default values out of the manifest.",
)
@click.pass_context
def export(context: click.Context, /, output: str, **options: Any) -> None:
    """Write the project's manifest: all that Dagster needs to know of it.

    The manifest lists pipelines, nodes, datasets, parameters and the resolved `dagster.yml`.
    Nothing is run and no data is read. Credentials never get in; secret-looking parameters
    have no value in it.

    \b
    Examples:
      kedro pipes export
          Write manifest.json for all pipelines.
      kedro pipes export --env prod --pipeline training -o build/manifest.json
          One pipeline, with the configuration of conf/prod.
      kedro pipes export --params model.depth=8,seed=1
          Other default parameters.
      python -m kedro_pipes export --package spaceport --conf-source conf.tar.gz -o -
          An installed project, printed on standard output.
    """  # noqa: D301 - click wants the backspace itself
    try:
        with stdout_kept_clean() as stdout:
            with waiting("Loading the project"):
                manifest = _export(context, **options)
            if output == STDOUT:
                stdout.write(encode_manifest(manifest))
            else:
                write_manifest(manifest, Path(output))
    except (KedroPipesError, OSError) as error:
        explain(error)
        context.exit(1)
    say(_summary(manifest, output))


def main(arguments: list[str]) -> int:
    """Run a command without Kedro's command line; return the exit code.

    The project is looked for at and above the working directory, or named by `--package`.
    """
    prepare_environment(Path.cwd())
    try:
        result = pipes.main(arguments, prog_name="python -m kedro_pipes", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 1
    except ModuleNotFoundError as error:
        if error.name != "kedro":
            raise
        explain(NoKedroError.here(sys.executable))
        return 1
    return result if isinstance(result, int) else 0


def _export(context: click.Context, *, pipelines: tuple[str, ...], **options: Any) -> Manifest:
    # Kedro configures logging when it is imported, so that waits until stdout is safe.
    from kedro_pipes.export import export_project  # noqa: PLC0415

    arguments = project_arguments(context, **options)
    return export_project(pipelines=list(pipelines) or None, tell=_warn, **arguments)


def _warn(sentence: str) -> None:
    say(f"Warning: {sentence}")


def _summary(manifest: Manifest, output: str) -> str:
    where = "standard output" if output == STDOUT else output
    return (
        f"Wrote {where}: {count(len(manifest.pipelines), 'pipeline')}, "
        f"{count(len(manifest.nodes), 'node')}, {count(len(manifest.datasets), 'dataset')}, "
        f"{manifest.content_hash[:12]}"
    )


for command in (init, plan, check, doctor, profile, schema, docker, k8s):
    pipes.add_command(command)
