"""`kedro pipes docker sweep`: containers and volumes that are left become rows, and go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import click
from kedro_manifest.labels import GROUP_LABEL, RUN_LABEL, STEP_LABEL

from kedro_pipes.commands.docker.engine import DockerCommand
from kedro_pipes.commands.docker.leftovers import is_running, left_volumes, reason_to_keep, since
from kedro_pipes.commands.leftovers import Limits
from kedro_pipes.commands.sweeping import Row, ago, sweep_and_tell, sweep_options

_SHORT_ID = 12


@click.command()
@sweep_options
@click.option(
    "--engine-url",
    metavar="URL",
    help="`unix://…`, `tcp://host:2376` or `ssh://user@host`. Default: the engine of the `docker` "
    "command, which DOCKER_HOST, DOCKER_TLS_VERIFY and its contexts name.",
)
@click.pass_context
def sweep(
    context: click.Context, /, *, dry_run: bool, engine_url: str | None, **meant: Any
) -> None:
    """Remove the containers of workers whose Dagster step is gone.

    A step removes its container when it ends. One that is killed cannot: its worker notices, and
    ends itself, but the stopped container stays, with a volume if it was asked much.

    \b
    Removed, with the volumes that are its own:
      a stopped container, if it ended a minute ago or the step's process is gone
      a running one, if the step's process is gone (it is asked to stop first)
    Kept:
      a running one whose step runs
      a running one whose step cannot be asked from here, unless --running is given

    Only what bears the label `kedro-pipes/group` is looked at. Needs the `docker` command, and no
    project.

    \b
    Examples:
      kedro pipes docker sweep --dry-run
          What is left on the engine of this machine?
      kedro pipes docker sweep --older-than 1d
          Every night, by cron.
      kedro pipes docker sweep --run 1c2d3e4f --running
          End what is left of a run on another machine, and remove it.
      python -m kedro_pipes docker sweep --engine-url ssh://me@bigbox
          Of another engine, outside of a project.
    """  # noqa: D301 - click wants the backspace itself
    engine = DockerCommand(engine_url)

    def find(limits: Limits) -> Iterator[Row]:
        yield from _containers(engine, limits, dry_run=dry_run)
        # After the containers: what they used is unused then.
        yield from _volumes(engine, limits, dry_run=dry_run)

    nothing = "Nothing is left: no container or volume of a worker that is meant."
    sweep_and_tell(context, find, nothing=nothing, **meant)


def _containers(engine: DockerCommand, limits: Limits, *, dry_run: bool) -> Iterator[Row]:
    for each in engine.containers():
        labels = each.config.labels
        if not limits.include(labels.get(RUN_LABEL, ""), since(each)):
            continue
        state = f"{each.state.status} {ago(limits.now - since(each))}"
        row = _row(each.name.removeprefix("/"), labels, state)
        if reason := reason_to_keep(each, limits):
            yield row.kept(reason)
        else:
            remove = partial(engine.remove, each, running=is_running(each))
            yield row.removed(remove, dry_run=dry_run)


def _volumes(engine: DockerCommand, limits: Limits, *, dry_run: bool) -> Iterator[Row]:
    for each in left_volumes(engine.unused_volumes(), limits):
        state = f"unused {ago(limits.now - each.created_at)}"
        row = _row(f"volume {each.name[:_SHORT_ID]}", each.labels, state)
        yield row.removed(partial(engine.remove_volume, each), dry_run=dry_run)


def _row(name: str, labels: Mapping[str, str], state: str) -> Row:
    return Row(
        name=name,
        group=labels.get(GROUP_LABEL, ""),
        step=labels.get(STEP_LABEL, ""),
        run=labels.get(RUN_LABEL, ""),
        state=state,
    )
