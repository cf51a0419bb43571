"""The manifest that Dagster is given: whether it is there, how old it is, and whether it still holds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from kedro_manifest.errors import KedroPipesError
from kedro_manifest.findings import Finding, list_names
from kedro_manifest.invocation import ExpectedNode
from kedro_manifest.model import Manifest

from kedro_pipes.commands.doctor.view import Diagnosis, Seen
from kedro_pipes.commands.sweeping import ago

if TYPE_CHECKING:  # imports kedro, which waits until stdout is safe
    from kedro_pipes.export import LiveProject

_EXPORT = "Export it again with `kedro pipes export`, and reload the code location."
_NOT_COMPARED = ("content_hash", "format_version", "generator")


def refuse_manifest(file: Path, error: KedroPipesError) -> Diagnosis:
    """Return what is said of a manifest that is not there or cannot be read."""
    problem, _, cure = str(error).rpartition(". ")
    finding = Finding(
        severity="error", code="manifest", place=str(file), message=f"{problem}.", cure=cure
    )
    found = "cannot be read" if file.exists() else "not there"
    return Diagnosis(seen=[Seen(part="manifest", found=f"{file}: {found}")], findings=[finding])


def look_at_manifest(
    file: Path, manifest: Manifest, live: LiveProject | None, now: Manifest | None
) -> Diagnosis:
    """Look at a manifest's age, and compare it with the project as it is now.

    Args:
        file: Where the manifest is.
        manifest: What is in it.
        live: The loaded project; None if it cannot be loaded.
        now: What would be exported of that.
    """
    written = datetime.fromtimestamp(file.stat().st_mtime, timezone.utc)
    age = f"{file}: {ago(datetime.now(timezone.utc) - written)} old, with {manifest.generator}"
    if live is None or now is None:
        return Diagnosis(seen=[Seen(part="manifest", found=age)])
    findings = list(_compare(str(file), manifest, live, now))
    state = "no longer what the project is" if findings else "what the project is"
    return Diagnosis(seen=[Seen(part="manifest", found=f"{age}, {state}")], findings=findings)


def _compare(place: str, manifest: Manifest, live: LiveProject, now: Manifest) -> Iterator[Finding]:
    from kedro_pipes.worker.drift import differences, kedro_difference  # noqa: PLC0415 - imports kedro

    if manifest.project.package_name != now.project.package_name:
        yield Finding(
            severity="error",
            code="manifest",
            place=place,
            message=f"It is of another project, with the package '{manifest.project.package_name}'; "
            f"this one has '{now.project.package_name}'.",
            cure="Name the manifest of this project with `--manifest FILE`, or export it again.",
        )
        return
    nodes = {node.name: node for each in live.pipelines.values() for node in each.nodes}
    drifted = [
        *kedro_difference(manifest.project.kedro_version),
        *differences([ExpectedNode.of(node) for node in manifest.nodes], nodes),
    ]
    if drifted:
        refused = manifest.orchestration.get("on_drift") != "warn"
        outcome = "workers will refuse" if refused else "workers will warn"
        more = f", and {len(drifted) - 1} more" if len(drifted) > 1 else ""
        yield Finding(
            severity="error" if refused else "warning",
            code="drift",
            place=place,
            message=f"The project no longer matches it, and {outcome}: {drifted[0]}{more}.",
            cure=_EXPORT,
        )
    elif others := _other_fields(manifest, now):
        yield Finding(
            severity="warning",
            code="drift",
            place=place,
            message=f"The project has changed since it was exported: {list_names(others, quote=False)}.",
            cure=_EXPORT,
        )


def _other_fields(manifest: Manifest, now: Manifest) -> list[str]:
    return [
        field.replace("_", " ")
        for field in Manifest.__struct_fields__
        if field not in _NOT_COMPARED and getattr(manifest, field) != getattr(now, field)
    ]
