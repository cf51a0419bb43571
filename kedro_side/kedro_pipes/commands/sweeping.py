"""What sweeps share with whoever calls them: options, what has become of each leftover, the table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Literal, TypeVar

import click
import msgspec
from kedro_manifest.errors import KedroPipesError

from kedro_pipes.commands.leftovers import Limits, Reason
from kedro_pipes.commands.project import explain, say
from kedro_pipes.commands.tables import layout_table
from kedro_pipes.commands.waiting import waiting

VIEW_VERSION = "1.0"
"""`major.minor` of what `--json` prints; described in docs/reference/cli.md."""
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"(\d+)([smhd])")
_SHORT_RUN = 8
_WHY_KEPT: dict[Reason, str] = {
    "runs": "the step that waits for it runs; cancel its run to end it",
    "may run": "it runs, and whether its step does cannot be told from here; --running ends it",
    "just ended": "it ended less than a minute ago, and its step may be about to remove it",
    "goes": "it is being removed already",
}
Command = TypeVar("Command", bound=Callable[..., Any])


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was found, and what has become of it."""

    name: str
    group: str
    step: str
    run: str
    state: str
    outcome: Literal["found", "removed", "would be removed", "kept", "not removed"] = "found"
    remark: str = ""
    failure: str = ""

    def kept(self, reason: Reason) -> Row:
        """Return that it stays, and why."""
        return msgspec.structs.replace(self, outcome="kept", remark=_WHY_KEPT[reason])

    def removed(self, remove: Callable[[], None], *, dry_run: bool) -> Row:
        """Remove it, if that is not just for show; return what has become of it."""
        if dry_run:
            return msgspec.structs.replace(self, outcome="would be removed")
        try:
            remove()
        except KedroPipesError as error:  # the others are removed all the same
            return msgspec.structs.replace(self, outcome="not removed", failure=str(error))
        return msgspec.structs.replace(self, outcome="removed")


class SweepView(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` prints."""

    version: str = VIEW_VERSION
    rows: list[Row]


def _duration(_context: click.Context, _option: click.Parameter, text: str) -> timedelta:
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter(f"expected a number and s, m, h or d, such as 90m; got '{text}'.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def sweep_options(command: Command) -> Command:
    """Add the options that say what is meant."""
    for option in reversed(
        [
            click.option(
                "--run",
                default="",
                metavar="ID",
                help="Of this Dagster run only; its first characters do.",
            ),
            click.option(
                "--older-than",
                default="0s",
                metavar="TIME",
                callback=_duration,
                help="Only what has been as it is for so long: 30s, 90m, 12h, 7d.",
            ),
            click.option(
                "--running",
                is_flag=True,
                help="Also end workers that run while nobody can tell from here whether their step "
                "does, such as those that another machine has started.",
            ),
            click.option(
                "--dry-run", is_flag=True, help="Say what would be removed, and remove nothing."
            ),
            click.option("--json", "as_json", is_flag=True, help="For a program."),
        ]
    ):
        command = option(command)
    return command


def sweep_and_tell(
    context: click.Context,
    find: Callable[[Limits], Iterable[Row]],
    *,
    nothing: str,
    run: str,
    older_than: timedelta,
    running: bool,
    as_json: bool,
) -> None:
    """Sweep, and tell what has become of each leftover; exit with 1 if something was refused.

    Args:
        context: Of the command.
        find: Finds what is left, removes it, and returns what has become of it.
        nothing: What is said where nothing is left.
        run: As the option says, as all that follows.
        older_than: Age.
        running: Whether what runs is meant too.
        as_json: Whether a program reads it.
    """
    limits = Limits(now=datetime.now(timezone.utc), run=run, older_than=older_than, running=running)
    try:
        with waiting("Sweeping"):
            rows = list(find(limits))
    except KedroPipesError as error:
        explain(error)
        context.exit(1)
    if as_json:
        click.echo(_encode(rows))
    else:
        for line in _told(rows) if rows else [nothing]:
            click.echo(line)
    failures = [row.failure for row in rows if row.failure]
    for failure in failures:
        say(failure)
    if failures:
        context.exit(1)


def _encode(rows: Sequence[Row]) -> str:
    view = SweepView(rows=list(rows))
    return msgspec.json.format(msgspec.json.encode(view), indent=2).decode()


def _told(rows: Sequence[Row]) -> list[str]:
    cells = [
        (
            row.name,
            row.group,
            row.step,
            row.run[:_SHORT_RUN],
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


def ago(age: timedelta) -> str:
    """Return an age in its largest unit: `3h`."""
    seconds = max(0, int(age.total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
