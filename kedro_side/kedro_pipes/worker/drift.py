"""Whether a project still is what its manifest says, as far as one worker's nodes go.

A node that is gone or reads other data would make Dagster show lineage that is not there, so
the worker refuses. A changed function body is what development looks like: it only warns.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import kedro
from kedro.framework import project as kedro_project
from kedro.pipeline.node import Node
from kedro_manifest.errors import ProjectDriftError
from kedro_manifest.invocation import ExpectedNode, Invocation

from kedro_pipes.project.node_source import SourceReader

logger = logging.getLogger(__name__)

_CURE = "Export it again with `kedro pipes export` and reload the code location."


def refuse_drift(invocation: Invocation, nodes: Mapping[str, Node], project_path: Path) -> None:
    """Compare the invocation's nodes with the project's; warn of changed function bodies.

    Raises:
        ProjectDriftError: A node is gone, its inputs or outputs have changed, or the worker's
            Kedro is of another major version; with `on_drift: warn` that is logged instead.
            Or the manifest is of another project.
    """
    _refuse_another_project(invocation)
    for name in _changed_functions(invocation, nodes, project_path):
        logger.warning(
            "Node '%s' has another function body than the manifest knows. It runs as it is now, and "
            "Dagster takes it for the same code. %s",
            name,
            _CURE,
        )
    found = [*kedro_difference(invocation.expected_kedro), *differences(invocation.expected, nodes)]
    if not found:
        return
    message = f"The project no longer matches its manifest: {'; '.join(found)}. {_CURE}"
    if invocation.on_drift == "refuse":
        raise ProjectDriftError(message)
    logger.warning(message)


def _refuse_another_project(invocation: Invocation) -> None:
    here = cast("str | None", kedro_project.PACKAGE_NAME)
    if here != invocation.package_name:
        raise ProjectDriftError(
            f"The manifest is of another project: of the package '{invocation.package_name}', "
            f"while the worker's directory holds the package '{here}'. Name the directory and the "
            "manifest of one project in `KedroProject`."
        )


def kedro_difference(theirs: str | None) -> Iterator[str]:
    """Yield in words that a manifest was exported with another major version of Kedro."""
    if theirs is not None and theirs.split(".")[0] != kedro.__version__.split(".")[0]:
        yield f"it was exported with Kedro {theirs}, this worker has {kedro.__version__}"


def differences(expected: list[ExpectedNode], nodes: Mapping[str, Node]) -> Iterator[str]:
    """Yield what of the expected nodes is not so any more, in words."""
    for known in expected:
        node = nodes.get(known.name)
        if node is None:
            yield f"node '{known.name}' is gone"
            continue
        for what, before, now in (
            ("inputs", known.inputs, sorted(set(node.inputs))),
            ("outputs", known.outputs, sorted(set(node.outputs))),
        ):
            if before != now:
                yield f"the {what} of node '{known.name}' were {before} and are {now}"


def _changed_functions(
    invocation: Invocation, nodes: Mapping[str, Node], project_path: Path
) -> Iterator[str]:
    reader = SourceReader(project_path)
    for known in invocation.expected:
        node = nodes.get(known.name)
        if node is not None and known.source_hash is not None:
            now = reader.read(node.func).hash
            if now is not None and now != known.source_hash:
                yield known.name
