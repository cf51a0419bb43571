"""What a shell completes: names from the manifest that is there, environments from `conf`.

Loads no project, and says nothing where there is no manifest, or none that can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import click
from kedro_manifest.codec import read_manifest
from kedro_manifest.errors import ManifestError
from kedro_manifest.model import Manifest
from kedro_manifest.planning.graph import inputs_of, outputs_of

_Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def names_in(find: Callable[[Manifest], Iterable[str]], *, several: bool = False) -> _Completer:
    """Return what completes names of a manifest.

    Args:
        find: Returns the names.
        several: Whether names may follow one another with commas between them.
    """

    def complete(context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
        file = Path(context.params.get("manifest_file") or "manifest.json")
        before, comma, beginning = typed.rpartition(",") if several else ("", "", typed)
        with suppress(ManifestError):
            names = sorted(set(find(read_manifest(file))))
            return [f"{before}{comma}{name}" for name in names if name.startswith(beginning)]
        return []

    return complete


def environments(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """Return the folders of `conf` that begin with what was typed."""
    with suppress(OSError):
        folders = [each.name for each in Path("conf").iterdir() if each.is_dir()]
        return sorted(name for name in folders if name.startswith(typed))
    return []


def nodes(manifest: Manifest) -> Iterable[str]:
    """Return the names of nodes."""
    return (node.name for node in manifest.nodes)


def pipelines(manifest: Manifest) -> Iterable[str]:
    """Return the names of registered pipelines."""
    return (each.name for each in manifest.pipelines)


def tags(manifest: Manifest) -> Iterable[str]:
    """Return the tags of nodes."""
    return (tag for node in manifest.nodes for tag in node.tags)


def namespaces(manifest: Manifest) -> Iterable[str]:
    """Return the namespaces of nodes, as they are written."""
    return (node.namespace for node in manifest.nodes if node.namespace)


def inputs(manifest: Manifest) -> Iterable[str]:
    """Return the datasets that nodes read."""
    return (name for node in manifest.nodes for name in inputs_of(node))


def outputs(manifest: Manifest) -> Iterable[str]:
    """Return the datasets that nodes write."""
    return (name for node in manifest.nodes for name in outputs_of(node))
