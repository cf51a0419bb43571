"""What the commands share: the options that name a project, clean output, errors as one line."""

from __future__ import annotations

import gc
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, TypeVar

import click
from kedro_manifest.codec import read_manifest
from kedro_manifest.model import Manifest

from kedro_pipes.commands.completion import environments

STDOUT = "-"
Command = TypeVar("Command", bound=Callable[..., Any])


def project_options(command: Command) -> Command:
    """Add the options that say which project is meant, and with which configuration."""
    for option in reversed(
        [
            click.option(
                "-e",
                "--env",
                metavar="NAME",
                shell_complete=environments,
                help="Kedro environment, such as `prod`.",
            ),
            click.option(
                "--conf-source",
                metavar="PATH",
                help="Configuration elsewhere: a directory, tar or zip.",
            ),
            click.option(
                "--params",
                default="",
                metavar="KEY=VALUE,…",
                help="Parameters to merge over the project's, as in `kedro run --params`.",
            ),
            click.option(
                "--package",
                "package_name",
                metavar="NAME",
                help="Import name of an installed project, where there is no project directory.",
            ),
        ]
    ):
        command = option(command)
    return command


def load_manifest(context: click.Context, file: Path | None, **options: Any) -> Manifest:
    """Read a manifest, or describe the project that the options name."""
    if file is None:
        # Kedro configures logging when it is imported, so that waits until stdout is safe.
        from kedro_pipes.export import export_project  # noqa: PLC0415

        return export_project(**project_arguments(context, **options))
    if given := [name for name, value in options.items() if value]:
        name = given[0].removesuffix("_name").replace("_", "-")
        raise click.UsageError(f"--{name} is for the project, not for --manifest: leave one out.")
    return read_manifest(file)


def project_arguments(context: click.Context, *, params: str, **options: Any) -> dict[str, Any]:
    """Return the options as arguments of the exporter."""
    from kedro.framework.cli.utils import _split_params  # noqa: PLC0415 - as above

    quieten_process()
    option = next(each for each in context.command.params if each.name == "params")
    return {**options, "runtime_params": _split_params(context, option, params) or None}


def quieten_process() -> None:
    """Switch off what makes loading a project slow or noisy."""
    # A project is many objects that all stay: looking for garbage among them takes a third of
    # the time of an export, and the process ends soon.
    gc.set_threshold(100_000, 50, 50)
    # Kedro's call, not the project's: it would bury what the project itself warns of.
    warnings.filterwarnings("ignore", message="register_new_resolver")


@contextmanager
def stdout_kept_clean() -> Iterator[Any]:
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


def write_text(text: str, output: str) -> None:
    """Print text, in colour where a terminal shows it, or write it into a file without."""
    if output == STDOUT:
        click.echo(text)
    else:
        Path(output).write_text(f"{click.unstyle(text)}\n", encoding="utf-8")


def explain(error: Exception) -> None:
    """Show the project's own traceback, if it failed by itself; then one line."""
    show_cause(error)
    say(str(error))


def show_cause(error: Exception) -> None:
    """Show the traceback of what failed in the project's own code."""
    cause = error.__cause__
    if cause is not None and type(error).__name__ == "ProjectLoadError":
        traceback.print_exception(type(cause), cause, cause.__traceback__, file=sys.stderr)


def say(line: str) -> None:
    """Tell a person something, on stderr."""
    click.echo(line, err=True)
