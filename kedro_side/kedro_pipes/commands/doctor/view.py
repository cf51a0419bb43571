"""What the doctor has seen, as people and programs read it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import click
import msgspec
from kedro_manifest.findings import Finding, sort_findings

from kedro_pipes.commands.check_view import CheckView, count_errors, render_findings
from kedro_pipes.commands.tables import layout_table


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    part: str
    """Such as `worker`, `orchestrator`, `manifest`, `client 'gpu'`, `store`."""
    found: str
    """A few words for people."""


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen, in order, and what is wrong with it."""

    seen: list[Seen] = []
    findings: list[Finding] = []

    @classmethod
    def of(cls, parts: Iterable[Diagnosis]) -> Diagnosis:
        """Return several as one, errors first."""
        every = list(parts)
        return cls(
            seen=[seen for each in every for seen in each.seen],
            findings=sort_findings(finding for each in every for finding in each.findings),
        )


class DoctorView(CheckView, frozen=True, kw_only=True):
    """What `--json` prints: that of `check`, and what was looked at."""

    seen: list[Seen]


def encode_diagnosis(diagnosis: Diagnosis) -> str:
    """Return a diagnosis as JSON, two-space indent."""
    errors = count_errors(diagnosis.findings)
    view = DoctorView(
        errors=errors,
        warnings=len(diagnosis.findings) - errors,
        findings=diagnosis.findings,
        seen=diagnosis.seen,
    )
    return msgspec.json.format(msgspec.json.encode(view), indent=2).decode()


def render_diagnosis(diagnosis: Diagnosis) -> str:
    """Return what was looked at as a table, and the findings as `check` shows them below."""
    rows = [(each.part, each.found) for each in diagnosis.seen]
    header, *lines = layout_table(("LOOKED AT", "FOUND"), rows)
    return "\n".join(
        [click.style(header, bold=True), *lines, "", render_findings(diagnosis.findings)]
    )
