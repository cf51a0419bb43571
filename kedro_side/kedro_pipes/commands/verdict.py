"""What commands share that find things: how they are told, and the exit code."""

from __future__ import annotations

from collections.abc import Sequence

import click
from kedro_manifest.findings import Finding

from kedro_pipes.commands.check_view import count_errors
from kedro_pipes.commands.project import STDOUT, Command, write_text


def verdict_options(command: Command) -> Command:
    """Add the options that say what fails, and where to and for whom it is written."""
    for option in reversed(
        [
            click.option("--strict", is_flag=True, help="Fail on warnings, too."),
            click.option("--json", "as_json", is_flag=True, help="For a program."),
            click.option(
                "-o",
                "--output",
                default=STDOUT,
                metavar="FILE",
                help="Write it there instead of printing it.",
            ),
        ]
    ):
        command = option(command)
    return command


def conclude(
    context: click.Context, findings: Sequence[Finding], text: str, *, strict: bool, output: str
) -> None:
    """Write what was found; exit with 1 for errors, with `strict` for any finding."""
    write_text(text, output)
    if count_errors(findings) or (strict and findings):
        context.exit(1)
