"""`kedro pipes init` and `kedro pipes schema`: options into files, and what to do next."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import click
from kedro_manifest.errors import KedroPipesError

from kedro_pipes.commands.completion import environments
from kedro_pipes.commands.files import relative, write_files
from kedro_pipes.commands.project import STDOUT, explain, quieten_process, say, stdout_kept_clean
from kedro_pipes.commands.waiting import waiting

SCHEMA_FILE = "schema.dagster.json"
"""Not `dagster…`: in a project without environments the config loader would take it for ours."""


class StarterError(KedroPipesError):
    """The files of `init` cannot be written where they belong.

    Cure: make the folder of the environment, or name one that is there.
    """


@click.command()
@click.option(
    "-e",
    "--env",
    metavar="NAME",
    shell_complete=environments,
    help="Kedro environment to write dagster.yml for. Default: the base one.",
)
@click.option("-f", "--force", is_flag=True, help="Overwrite files that are there.")
@click.pass_context
def init(context: click.Context, /, env: str | None, *, force: bool) -> None:
    """Write what Dagster needs to open this project.

    \b
    conf/base/dagster.yml     jobs, schedules, clients, …: everything explained, in comments
    conf/schema.dagster.json  lets editors complete and check it
    definitions.py            the Dagster side, which names this environment's interpreter
    workspace.yaml            makes `dagster dev` open it

    A file that is there is kept and told, unless --force is given. Nothing is run.

    \b
    Examples:
      kedro pipes init
          The four files.
      kedro pipes init --env prod
          conf/prod/dagster.yml, and definitions for that environment.
      python -m kedro_pipes init --force
          Start again, without Kedro's command line.
    """  # noqa: D301 - click wants the backspace itself
    try:
        with stdout_kept_clean(), waiting("Loading the project"):
            project, texts, named = _compose(env)
        written = write_files(texts, force=force)
    except (KedroPipesError, OSError) as error:
        explain(error)
        context.exit(1)
    if not written:
        context.exit(1)
    command = context.command_path.rpartition(" ")[0]
    say("\n".join(["", "Next:", *_next_commands(command, project, named)]))


@click.command()
@click.option(
    "-o",
    "--output",
    default=STDOUT,
    metavar="FILE",
    help="Write it there instead of printing it.",
)
@click.pass_context
def schema(context: click.Context, /, output: str) -> None:
    """Print the JSON Schema of dagster.yml, for editors.

    `kedro pipes init` writes it as conf/schema.dagster.json; after an upgrade write it anew. The
    first line of dagster.yml names it for editors that use yaml-language-server, VS Code among
    them.

    \b
    Examples:
      kedro pipes schema -o conf/schema.dagster.json
          For this project.
      python -m kedro_pipes schema
          Printed, for a program.
    """  # noqa: D301 - click wants the backspace itself
    from kedro_pipes.commands.starter import render_schema  # noqa: PLC0415 - only this command needs it

    if output == STDOUT:
        click.echo(render_schema(), nl=False)
        return
    try:
        Path(output).write_text(render_schema(), encoding="utf-8")
    except OSError as error:
        explain(error)
        context.exit(1)
    say(f"Wrote {output}")


def _compose(env: str | None) -> tuple[Path, dict[Path, str], str | None]:
    """Return the project's folder, the files by their paths, and the environment to be named."""
    # Kedro configures logging when it is imported, so that waits until stdout is safe.
    from kedro_pipes.commands.starter import (  # noqa: PLC0415 - as above
        locate_interpreter,
        render_definitions,
        render_orchestration,
        render_schema,
        render_workspace,
    )
    from kedro_pipes.export import describe_project, open_live_project  # noqa: PLC0415

    quieten_process()
    live = open_live_project()
    project, loader = live.project.path, live.context.config_loader
    conf = Path(str(loader.conf_source))
    base = str(getattr(loader, "base_env", "base"))
    folder = _environment_folder(conf, env or base)
    usual = (base, str(getattr(loader, "default_run_env", "local")))
    named = env if env not in usual else None
    manifest = describe_project(live, parameter_values=False, probe=False)
    interpreter = locate_interpreter(sys.executable, project)
    schema_file = os.path.relpath(conf / SCHEMA_FILE, folder)
    texts = {
        folder / "dagster.yml": render_orchestration(manifest, Path(schema_file).as_posix()),
        conf / SCHEMA_FILE: render_schema(),
        project / "definitions.py": render_definitions(manifest, interpreter, named),
        project / "workspace.yaml": render_workspace(manifest),
    }
    return project, texts, named


def _environment_folder(conf: Path, env: str) -> Path:
    folder = conf / env
    if not folder.is_dir():
        known = (
            sorted(each.name for each in conf.iterdir() if each.is_dir()) if conf.is_dir() else []
        )
        raise StarterError(
            f"Cannot write dagster.yml for environment '{env}': there is no folder '{folder}'. "
            + (f"Make it, or choose from {', '.join(known)}." if known else "Make it first.")
        )
    return folder


def _next_commands(command: str, project: Path, env: str | None) -> Iterable[str]:
    """Yield what to type now, to be copied as it is."""
    if project != Path.cwd():
        yield f"  cd {relative(project)}"
    export = f"{command} export{f' --env {env}' if env else ''}"
    yield f"  {export}  # in this environment: writes manifest.json"
    yield (
        f"  {'dagster dev':<{len(export)}}  # in another environment, which has dagster-webserver and "
        "kedro-dagster-pipes[dagster]: opens the web interface"
    )
