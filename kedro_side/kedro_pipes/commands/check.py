"""`kedro pipes check`: findings into text and an exit code."""

from __future__ import annotations

from typing import Any

import click
from kedro_manifest.errors import KedroPipesError
from kedro_manifest.findings import Finding

from kedro_pipes.commands.check_view import encode_findings, render_findings
from kedro_pipes.commands.completion import names_in, pipelines
from kedro_pipes.commands.project import (
    project_arguments,
    project_options,
    show_cause,
    stdout_kept_clean,
)
from kedro_pipes.commands.verdict import conclude, verdict_options
from kedro_pipes.commands.waiting import waiting


@click.command()
@click.option(
    "-p",
    "--pipeline",
    "pipelines",
    multiple=True,
    metavar="NAME",
    shell_complete=names_in(pipelines),
    help="Check this registered pipeline only; repeat for several. Default: all.",
)
@project_options
@click.option(
    "--client",
    type=click.Choice(["subprocess", "docker", "k8s", "ssh"]),
    help="What starts the workers. Default: dagster.yml's `clients`, else subprocess.",
)
@verdict_options
@click.pass_context
def check(
    context: click.Context,
    /,
    strict: bool,  # noqa: FBT001 - a command's options come by name
    as_json: bool,  # noqa: FBT001 - as above
    output: str,
    **options: Any,
) -> None:
    """Say what would go wrong, before anything is run.

    Loads the project, runs nothing and reads no data. Each finding has a place and a cure. The
    exit code is 1 if there are errors, with `--strict` if there are findings at all.

    \b
    Examples:
      kedro pipes check
          With what dagster.yml says.
      kedro pipes check --env prod --client k8s --strict
          In CI, before an image is shipped.
      python -m kedro_pipes check --json
          For a program.
    """  # noqa: D301 - click wants the backspace itself
    with stdout_kept_clean(), waiting("Loading the project"):
        findings = _find(context, **options)
    text = (encode_findings if as_json else render_findings)(findings)
    conclude(context, findings, text, strict=strict, output=output)


def _find(
    context: click.Context, *, client: str | None, pipelines: tuple[str, ...], **options: Any
) -> list[Finding]:
    # Kedro configures logging when it is imported, so that waits until stdout is safe.
    from kedro_pipes.preflight import check_project, finding_of  # noqa: PLC0415

    arguments = project_arguments(context, **options)
    try:
        return check_project(
            clients=[client] if client else [],
            pipelines=list(pipelines) or None,
            **arguments,
        )
    except KedroPipesError as error:
        show_cause(error)
        return [finding_of(error)]
