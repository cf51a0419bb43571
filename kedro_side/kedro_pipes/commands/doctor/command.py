"""`kedro pipes doctor`: options into what is looked at, and that into text and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from kedro_manifest.codec import read_manifest
from kedro_manifest.errors import KedroPipesError, ManifestError, OrchestrationError
from kedro_manifest.installed import installed_here
from kedro_manifest.model import Manifest
from kedro_manifest.orchestration.root import Orchestration, orchestration_of
from kedro_manifest.preflight.entries import entry_finding

from kedro_pipes.commands.completion import environments, names_in, pipelines
from kedro_pipes.commands.doctor.environments import find_dagster_python, look_at_environments
from kedro_pipes.commands.doctor.manifest import look_at_manifest, refuse_manifest
from kedro_pipes.commands.doctor.places import look_at_clients, look_at_store
from kedro_pipes.commands.doctor.view import Diagnosis, Seen, encode_diagnosis, render_diagnosis
from kedro_pipes.commands.project import (
    quieten_process,
    show_cause,
    stdout_kept_clean,
)
from kedro_pipes.commands.verdict import conclude, verdict_options
from kedro_pipes.commands.waiting import waiting

if TYPE_CHECKING:  # imports kedro, which waits until stdout is safe
    from kedro_pipes.export import LiveProject


@click.command()
@click.option(
    "--dagster-python",
    envvar="DAGSTER_PYTHON",
    show_envvar=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Interpreter of the environment that Dagster runs in. Default: that of the `dagster` "
    "command on the PATH.",
)
@click.option(
    "--manifest",
    "manifest_file",
    type=click.Path(path_type=Path),
    default="manifest.json",
    show_default=True,
    metavar="FILE",
    help="The manifest that Dagster is given.",
)
@click.option(
    "-p",
    "--pipeline",
    "pipelines",
    multiple=True,
    metavar="NAME",
    shell_complete=names_in(pipelines),
    help="A registered pipeline, if only some were exported; repeat for several. Default: all.",
)
@click.option(
    "-e",
    "--env",
    metavar="NAME",
    shell_complete=environments,
    help="Kedro environment. Default: the one of the manifest.",
)
@click.option(
    "--conf-source", metavar="PATH", help="Configuration elsewhere: a directory, tar or zip."
)
@click.option(
    "--package",
    "package_name",
    metavar="NAME",
    help="Import name of an installed project, where there is no project directory.",
)
@verdict_options
@click.pass_context
def doctor(
    context: click.Context,
    /,
    strict: bool,  # noqa: FBT001 - a command's options come by name
    as_json: bool,  # noqa: FBT001 - as above
    output: str,
    **options: Any,
) -> None:
    """Say whether both environments, and what lies between them, fit together.

    \b
    Looks at
      the worker's environment, which is this one: versions, and that no Dagster is there
      Dagster's environment, by its interpreter: versions, extras, and that no Kedro is there
      the manifest: its age, and whether the project still is what it says
      the Docker engine, the cluster and the hosts of dagster.yml's clients: whether they answer
      the store for staged data: whether it can be written to

    Runs no node and starts no container. What is wrong with the project itself is for `check`. The
    exit code is 1 if there are errors, with `--strict` if there are findings at all.

    \b
    Examples:
      kedro pipes doctor --dagster-python ../dagster-env/bin/python
          After an installation, or an upgrade of one side.
      kedro pipes doctor --env prod --manifest build/manifest.json --strict
          In CI, before a deployment.
      python -m kedro_pipes doctor --json
          For a program.
    """  # noqa: D301 - click wants the backspace itself
    with stdout_kept_clean(), waiting("Looking at both environments"):
        diagnosis = Diagnosis.of(_look(**options))
    text = (encode_diagnosis if as_json else render_diagnosis)(diagnosis)
    conclude(context, diagnosis.findings, text, strict=strict, output=output)


def _look(
    *, dagster_python: Path | None, manifest_file: Path, **options: Any
) -> Iterator[Diagnosis]:
    worker = installed_here()
    manifest, unread = _read(manifest_file)
    live, now, unloaded = _load(manifest, **options)
    described = now or manifest
    orchestration, wrong = _orchestration(described) if described else (None, Diagnosis())
    yield look_at_environments(worker, dagster_python or find_dagster_python(), orchestration)
    yield unloaded
    if manifest is None:
        yield unread
    else:
        yield look_at_manifest(manifest_file, manifest, live, now)
    yield wrong
    if orchestration is not None:
        folder = live.project.path if live else Path.cwd()
        yield from look_at_clients(orchestration, worker, folder)
        if live is not None and now is not None and _stages(now):
            yield look_at_store(orchestration.store, folder)


def _read(file: Path) -> tuple[Manifest | None, Diagnosis]:
    try:
        return read_manifest(file), Diagnosis()
    except ManifestError as error:
        return None, refuse_manifest(file, error)


def _load(
    manifest: Manifest | None, *, env: str | None, pipelines: tuple[str, ...], **options: Any
) -> tuple[LiveProject | None, Manifest | None, Diagnosis]:
    """Load the project, and describe it as its manifest was exported."""
    # Kedro configures logging when it is imported, so that waits until stdout is safe.
    from kedro_pipes.export import describe_project, open_live_project  # noqa: PLC0415
    from kedro_pipes.preflight import finding_of  # noqa: PLC0415

    quieten_process()
    try:
        live = open_live_project(
            env=env or (manifest.project.env if manifest else None),
            runtime_params=manifest.given_parameters if manifest else None,
            pipelines=pipelines or None,
            **options,
        )
        now = describe_project(live, parameter_values=manifest is None or manifest.parameter_values)
    except KedroPipesError as error:
        show_cause(error)
        seen = [Seen(part="project", found="cannot be loaded")]
        return None, None, Diagnosis(seen=seen, findings=[finding_of(error)])
    return live, now, Diagnosis()


def _orchestration(described: Manifest) -> tuple[Orchestration | None, Diagnosis]:
    try:
        return orchestration_of(described), Diagnosis()
    except OrchestrationError as error:
        return None, Diagnosis(findings=[entry_finding(error)])


def _stages(described: Manifest) -> bool:
    """Tell whether data crosses between workers by a store, or somebody has chosen one."""
    from kedro_pipes.preflight import plan_of  # noqa: PLC0415 - imports kedro

    return bool(plan_of(described).staged) or "store" in described.orchestration
