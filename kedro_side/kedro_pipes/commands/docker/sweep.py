"""`kedro pipes docker sweep`: options into what is meant, leftovers into a table, and away."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Literal

import click
import msgspec
from kedro_manifest.errors import KedroPipesError
from kedro_manifest.labels import GROUP_LABEL, RUN_LABEL, STEP_LABEL

from kedro_pipes.commands.docker.engine import DockerCommand
from kedro_pipes.commands.docker.leftovers import (
    Limits,
    Reason,
    is_running,
    left_volumes,
    reason_to_keep,
    since,
)
from kedro_pipes.commands.project import explain, say
from kedro_pipes.commands.tables import layout_table

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"(\d+)([smhd])")
_SHORT_ID, _SHORT_RUN = 12, 8
_WHY_KEPT: dict[Reason, str] = {
    "runs": "the step that waits for it runs; cancel its run to end it",
    "may run": "it runs, and whether its step does cannot be told from here; --running ends it",
    "just ended": "it ended less than a minute ago, and its step may be about to remove it",
}


def _duration(_context: click.Context, _option: click.Parameter, text: str) -> timedelta:
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter(f"expected a number and s, m, h or d, such as 90m; got '{text}'.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


@click.command()
@click.option(
    "--run", default="", metavar="ID", help="Of this Dagster run only; its first characters do."
)
@click.option(
    "--older-than",
    default="0s",
    metavar="TIME",
    callback=_duration,
    help="Only what has been as it is for so long: 30s, 90m, 12h, 7d.",
)
@click.option(
    "--running",
    is_flag=True,
    help="Also end workers that run while nobody can tell from here whether their step does, such "
    "as those that another machine has started.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@click.option(
    "--engine-url",
    metavar="URL",
    help="`unix://…`, `tcp://host:2376` or `ssh://user@host`. Default: the engine of the `docker` "
    "command, which DOCKER_HOST, DOCKER_TLS_VERIFY and its contexts name.",
)
@click.pass_context
def sweep(
    context: click.Context,
    /,
    *,
    run: str,
    older_than: timedelta,
    running: bool,
    dry_run: bool,
    engine_url: str | None,
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
    limits = Limits(now=datetime.now(timezone.utc), run=run, older_than=older_than, running=running)
    try:
        rows = _containers(engine, limits, dry_run=dry_run)
        # After the containers: what they used is unused then.
        rows += _volumes(engine, limits, dry_run=dry_run)
    except KedroPipesError as error:
        explain(error)
        context.exit(1)
    for line in _told(rows):
        click.echo(line)
    for row in rows:
        if row.failure:
            say(row.failure)
    if any(row.failure for row in rows):
        context.exit(1)


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was found, and what has become of it."""

    name: str
    labels: Mapping[str, str]
    state: str
    outcome: Literal["removed", "would be removed", "kept", "not removed"]
    remark: str = ""
    failure: str = ""


def _containers(engine: DockerCommand, limits: Limits, *, dry_run: bool) -> list[_Row]:
    rows = []
    for each in engine.containers():
        labels = each.config.labels
        if not limits.include(labels, since(each)):
            continue
        state = f"{each.state.status} {_ago(limits.now - since(each))}"
        name = each.name.removeprefix("/")
        if reason := reason_to_keep(each, limits):
            rows.append(
                _Row(
                    name=name, labels=labels, state=state, outcome="kept", remark=_WHY_KEPT[reason]
                )
            )
            continue
        remove = partial(engine.remove, each, running=is_running(each))
        rows.append(_removed(name, labels, state, None if dry_run else remove))
    return rows


def _volumes(engine: DockerCommand, limits: Limits, *, dry_run: bool) -> list[_Row]:
    return [
        _removed(
            f"volume {each.name[:_SHORT_ID]}",
            each.labels,
            f"unused {_ago(limits.now - each.created_at)}",
            None if dry_run else partial(engine.remove_volume, each),
        )
        for each in left_volumes(engine.unused_volumes(), limits)
    ]


def _removed(
    name: str, labels: Mapping[str, str], state: str, remove: Callable[[], None] | None
) -> _Row:
    """Remove something, if it is not just for show; return what has become of it."""
    row = _Row(name=name, labels=labels, state=state, outcome="would be removed")
    if remove is None:
        return row
    try:
        remove()
    except KedroPipesError as error:  # the others are removed all the same
        return msgspec.structs.replace(row, outcome="not removed", failure=str(error))
    return msgspec.structs.replace(row, outcome="removed")


def _told(rows: Sequence[_Row]) -> list[str]:
    if not rows:
        return ["Nothing is left: no container or volume of a worker that is meant."]
    cells = [
        (
            row.name,
            row.labels.get(GROUP_LABEL, ""),
            row.labels.get(STEP_LABEL, ""),
            row.labels.get(RUN_LABEL, "")[:_SHORT_RUN],
            row.state,
            f"{row.outcome}: {row.remark}" if row.remark else row.outcome,
        )
        for row in rows
    ]
    outcomes = Counter(row.outcome for row in rows)
    return [
        *layout_table(("NAME", "GROUP", "STEP", "RUN", "STATE", "OUTCOME"), cells),
        "",
        ", ".join(f"{number} {outcome}" for outcome, number in outcomes.items()),
    ]


def _ago(age: timedelta) -> str:
    """Return an age in its largest unit: `3h`."""
    seconds = max(0, int(age.total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
