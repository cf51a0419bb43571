"""`kedro pipes docker init`: what a project needs to be run in containers, and what to do next."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import click
from kedro_manifest.errors import KedroPipesError

from kedro_pipes.commands.completion import environments
from kedro_pipes.commands.files import relative, write_files
from kedro_pipes.commands.project import explain, quieten_process, say, stdout_kept_clean
from kedro_pipes.commands.waiting import waiting

REQUIREMENTS = "requirements.txt"


@click.command()
@click.option(
    "-e",
    "--env",
    default="docker",
    show_default=True,
    metavar="NAME",
    shell_complete=environments,
    help="Kedro environment of the containers.",
)
@click.option(
    "--name",
    metavar="NAME",
    help="What images, volumes and networks begin with. Default: the project's package.",
)
@click.option("-f", "--force", is_flag=True, help="Overwrite files that are there.")
@click.pass_context
def init(context: click.Context, /, env: str, name: str | None, *, force: bool) -> None:
    """Write what runs this project in containers, on one machine.

    \b
    docker/Dockerfile         images of the worker, the code location, and Dagster itself
    docker/compose.yaml       the stack: PostgreSQL, web server, daemon, code location
    docker/.env               names and versions for it
    docker/…                  settings of Dagster, of the proxy before the engine, a password
    conf/docker/dagster.yml   makes each group of nodes run in a container
    definitions.py            the Dagster side, as `kedro pipes init` writes it
    .dockerignore             keeps data and secrets out of the images

    A file that is there is kept and told, unless --force is given. Nothing is built or run.

    \b
    Examples:
      kedro pipes docker init
      docker compose -f docker/compose.yaml up --build --detach
          All of it, in the browser at http://localhost:3000.
      kedro pipes docker init --env staging --name flights_staging
          For another environment; a second stack on one machine needs another name.
    """  # noqa: D301 - click wants the backspace itself
    try:
        with stdout_kept_clean(), waiting("Loading the project"):
            project, texts = _compose(env, name)
        written = write_files(texts, force=force)
        for secret in (project / "docker/secrets").iterdir():
            secret.chmod(0o600)
    except (KedroPipesError, OSError) as error:
        explain(error)
        context.exit(1)
    if not written:
        context.exit(1)
    if not (project / REQUIREMENTS).is_file():
        say(
            f"Warning: There is no {REQUIREMENTS} in {relative(project)}: the worker's image is made "
            "of it. Write the project's libraries there, or name another file as REQUIREMENTS."
        )
    command = context.command_path.removesuffix(" docker init")
    say("\n".join(["", "Next:", *_next_commands(project, f"{command} check --env {env}")]))


def _compose(env: str, name: str | None) -> tuple[Path, dict[Path, str]]:
    """Return the project's folder, and the files by their paths."""
    # Kedro configures logging when it is imported, so that waits until stdout is safe.
    from kedro_pipes.commands.docker.starter import render_stack  # noqa: PLC0415 - as above
    from kedro_pipes.commands.starter import (  # noqa: PLC0415 - as above
        locate_interpreter,
        render_definitions,
    )
    from kedro_pipes.export import describe_project, open_live_project  # noqa: PLC0415

    quieten_process()
    live = open_live_project()
    project = live.project.path
    conf = Path(str(live.context.config_loader.conf_source))
    manifest = describe_project(live, parameter_values=False, probe=False)
    stack = render_stack(manifest, env, name or manifest.project.package_name, conf, project)
    interpreter = locate_interpreter(sys.executable, project)
    definitions = render_definitions(manifest, interpreter, None)
    return project, {**stack, project / "definitions.py": definitions}


def _next_commands(project: Path, check: str) -> Iterable[str]:
    """Yield what to type now, to be copied as it is."""
    if project != Path.cwd():
        yield f"  cd {relative(project)}"
    compose = "docker compose -f docker/compose.yaml"
    fill = f'{compose} run --rm -v "$PWD/data:/from:ro" worker cp -r /from/. data/'
    width = len(fill)
    yield f"  {check:<{width}}  # what containers would not see"
    yield f"  {f'{compose} build':<{width}}  # a few minutes for the first time"
    yield f"  {fill}  # input data into the volume"
    yield f"  {f'{compose} up --detach':<{width}}  # then http://localhost:3000"
    yield f"  {f'{compose} down --remove-orphans':<{width}}  # ends it; data stays in the volumes"
