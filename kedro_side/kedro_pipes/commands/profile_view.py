"""Where a worker's time goes, as people and programs read it. Pure."""

from __future__ import annotations

import click
import msgspec
from kedro_manifest.findings import count

from kedro_pipes.commands.tables import layout_table

VIEW_VERSION = "1.0"
"""`major.minor` of what `--json` prints; described in docs/reference/cli.md."""
_WIDEST_BAR = 30
_EIGHTHS = " ▏▎▍▌▋▊▉"
_MOST_IMPORTS = 12


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a worker's life."""

    name: str
    what: str
    seconds: float
    processor_s: float


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """A package that the worker imports, with all of its modules but none of another package."""

    package: str
    seconds: float
    modules: int


class ProfileView(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` prints."""

    version: str = VIEW_VERSION
    node: str
    nodes: list[str]
    """All that its worker runs."""
    runs: int
    seconds: float
    """Median of the whole worker; those of the phases need not add up to it."""
    processor_s: float
    phases: list[Phase]
    """In order."""
    imports: list[Import]
    """Largest first."""


def encode_profile(view: ProfileView) -> str:
    """Return a profile as JSON, two-space indent."""
    return msgspec.json.format(msgspec.json.encode(view), indent=2).decode()


def render_profile(view: ProfileView) -> str:
    """Return the phases and the largest imports, each with a bar."""
    besides = len(view.nodes) - 1
    beside = f" and {count(besides, 'node')} besides, in one worker" if besides else ""
    closing = (
        f"{_milliseconds(view.seconds)} ms, {_milliseconds(view.processor_s)} ms of processor time; "
        f"medians of {count(view.runs, 'run')}"
    )
    return "\n".join(
        [
            f"{view.node}{beside}: a worker that starts anew",
            "",
            *_table(
                ("PHASE", "MS", "CPU MS", "", "WHAT"),
                [(each.name, each.seconds, each.processor_s, each.what) for each in view.phases],
            ),
            closing,
            "",
            *_table(
                ("IMPORT", "MS", "MODULES", "", ""),
                [
                    (each.package, each.seconds, each.modules, "")
                    for each in view.imports[:_MOST_IMPORTS]
                ],
            ),
            "Imports are timed in a run of their own, which that makes slower.",
        ]
    )


def _table(header: tuple[str, ...], rows: list[tuple[str, float, float | int, str]]) -> list[str]:
    longest = max((seconds for _, seconds, _, _ in rows), default=0.0) or 1.0
    cells = [
        (
            name,
            _right(_milliseconds(seconds)),
            _right(str(other) if isinstance(other, int) else _milliseconds(other)),
            _bar(seconds / longest),
            what,
        )
        for name, seconds, other, what in rows
    ]
    first, *lines = layout_table(header, cells)
    return [click.style(first, bold=True), *lines]


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f}"


def _right(text: str) -> str:
    return f"{text:>6}"


def _bar(share: float) -> str:
    eighths = round(share * _WIDEST_BAR * 8)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()
