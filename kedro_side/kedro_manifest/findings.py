"""What a preflight finds, and how its places and names are spelled. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from kedro_manifest.model import Dataset, Manifest

Severity = Literal["error", "warning"]

_SHOWN_NAMES = 6


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong or doubtful, where, and what to do about it."""

    severity: Severity
    code: str
    """Short and stable, for programs; docs/reference/cli.md lists all."""
    place: str
    """Such as `conf/base/catalog.yml: model` or `src/p/nodes.py:12: node 'fit'`."""
    message: str
    cure: str


class Places:
    """Where things are written, for people.

    Args:
        manifest: Knows where the nodes' functions are.
        catalog_files: File of each catalog entry, by name or pattern.
    """

    def __init__(self, manifest: Manifest, catalog_files: Mapping[str, str] | None = None) -> None:
        self._nodes = {node.name: node for node in manifest.nodes}
        self._files = catalog_files or {}

    def node(self, name: str) -> str:
        """Return where a node's function is."""
        source = self._nodes[name].source
        return f"{source.path}:{source.line}: node '{name}'" if source else f"node '{name}'"

    def dataset(self, dataset: Dataset) -> str:
        """Return where a dataset's catalog entry is."""
        entry = dataset.pattern or dataset.name
        return f"{self._files.get(entry, 'catalog')}: {entry}"

    def has_entry(self, dataset: str) -> bool:
        """Tell whether a dataset has a catalog entry under its own name."""
        return dataset in self._files


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings with errors first, then by code and place."""
    return sorted(findings, key=lambda each: (each.severity, each.code, each.place, each.message))


def count(number: int, noun: str) -> str:
    """Return `1 node`, `2 nodes`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def list_names(names: Iterable[str], *, quote: bool = True) -> str:
    """Return the first names, and how many more there are."""
    every = list(names)
    shown = ", ".join(f"'{name}'" if quote else name for name in every[:_SHOWN_NAMES])
    more = len(every) - _SHOWN_NAMES
    return f"{shown} and {more} more" if more > 0 else shown
