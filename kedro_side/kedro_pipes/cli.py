"""The commands `kedro pipes …`, and the same without Kedro's command line.

Turns options into arguments and errors into one line and an exit code; does nothing itself.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import click
from kedro_manifest.codec import encode_manifest, write_manifest
from kedro_manifest.errors import KedroPipesError
from kedro_manifest.model import Manifest

from kedro_pipes.environment import prepare_environment

STDOUT = "-"


@click.group(name="kedro-pipes")
def commands() -> None:
    """Commands that Kedro adds to its own."""


@commands.group()
def pipes() -> None:
    """Run this project under Dagster, with kedro-dagster-pipes."""


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
    help="Export this registered pipeline only; repeat for several. Default: all.",
)
@click.option("-e", "--env", metavar="NAME", help="Kedro environment, such as `prod`.")
@click.option(
    "--conf-source", metavar="PATH", help="Configuration elsewhere: a directory, tar or zip."
)
@click.option(
    "--params",
    default="",
    metavar="KEY=VALUE,…",
    help="Parameters to merge over the project's, as in `kedro run --params`.",
)
@click.option(
    "--parameter-values/--no-parameter-values",
    default=True,
    help="Leave the parameters' default values out of the manifest.",
)
@click.option(
    "--package",
    "package_name",
    metavar="NAME",
    help="Import name of an installed project, where there is no project directory.",
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
        with _stdout_kept_clean() as stdout:
            manifest = _export(context, **options)
            if output == STDOUT:
                stdout.write(encode_manifest(manifest))
            else:
                write_manifest(manifest, Path(output))
    except (KedroPipesError, OSError) as error:
        _explain(error)
        context.exit(1)
    _say(_summary(manifest, output))


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
    return result if isinstance(result, int) else 0


def _export(context: click.Context, *, params: str, **options: Any) -> Manifest:
    # Kedro configures logging when it is imported, so that waits until stdout is safe.
    from kedro.framework.cli.utils import _split_params  # noqa: PLC0415

    from kedro_pipes.export import export_project  # noqa: PLC0415

    # A project is many objects that all stay: looking for garbage among them takes a third of
    # the time of an export, and the process ends soon.
    gc.set_threshold(100_000, 50, 50)
    # Kedro's call, not the project's: it would bury what the project itself warns of.
    warnings.filterwarnings("ignore", message="register_new_resolver")
    option = next(each for each in context.command.params if each.name == "params")
    runtime_params = _split_params(context, option, params)
    options["pipelines"] = list(options["pipelines"]) or None
    return export_project(runtime_params=runtime_params or None, **options)


@contextmanager
def _stdout_kept_clean() -> Iterator[Any]:
    """Send everything that is printed to stderr, and give the real stdout to the caller.

    Below Python as well: log handlers keep the stream that they were made with.
    """
    sys.stdout.flush()
    try:
        saved = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # No such descriptors, as under a test runner or in a service.
        with redirect_stdout(sys.stderr):
            yield sys.__stdout__
        return
    try:
        with os.fdopen(os.dup(saved), "wb") as stdout, redirect_stdout(sys.stderr):
            yield stdout
    finally:
        sys.stdout.flush()
        os.dup2(saved, 1)
        os.close(saved)


def _explain(error: Exception) -> None:
    """Show the project's own traceback, if it failed by itself; then one line."""
    cause = error.__cause__
    if cause is not None and _is_the_projects(error):
        traceback.print_exception(type(cause), cause, cause.__traceback__, file=sys.stderr)
    _say(str(error))


def _is_the_projects(error: Exception) -> bool:
    return type(error).__name__ == "ProjectLoadError"


def _summary(manifest: Manifest, output: str) -> str:
    where = "standard output" if output == STDOUT else output
    return (
        f"Wrote {where}: {len(manifest.pipelines)} pipelines, {len(manifest.nodes)} nodes, "
        f"{len(manifest.datasets)} datasets, {manifest.content_hash[:12]}"
    )


def _say(line: str) -> None:
    click.echo(line, err=True)
