"""Findings as people and programs read them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import click
import msgspec
from kedro_manifest.findings import Finding, Severity, count

from kedro_pipes.commands.tables import layout_table

VIEW_VERSION = "1.0"
"""`major.minor` of what `--json` prints; described in docs/reference/cli.md."""

_COLOURS: dict[Severity, str] = {"error": "red", "warning": "yellow"}


class CheckView(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` prints."""

    version: str = VIEW_VERSION
    errors: int
    warnings: int
    findings: list[Finding]


def encode_findings(findings: Sequence[Finding]) -> str:
    """Return findings as JSON, two-space indent."""
    errors = count_errors(findings)
    view = CheckView(errors=errors, warnings=len(findings) - errors, findings=list(findings))
    return msgspec.json.format(msgspec.json.encode(view), indent=2).decode()


def render_findings(findings: Sequence[Finding]) -> str:
    """Return a row for each finding with message and cure below it, and how many there are."""
    if not findings:
        return "Nothing found."
    rows = [(each.severity, each.code, each.place) for each in findings]
    header, *lines = layout_table(["SEVERITY", "CODE", "PLACE"], rows)
    blocks = [_block(each, line) for each, line in zip(findings, lines, strict=True)]
    errors = count_errors(findings)
    closing = f"{count(errors, 'error')}, {count(len(findings) - errors, 'warning')}"
    return "\n".join([click.style(header, bold=True), *blocks, "", closing])


def count_errors(findings: Sequence[Finding]) -> int:
    """Return how many findings are errors."""
    return sum(finding.severity == "error" for finding in findings)


def _block(finding: Finding, row: str) -> str:
    coloured = click.style(row, fg=_COLOURS[finding.severity])
    return f"{coloured}\n    {finding.message}\n    Cure: {finding.cure}"
