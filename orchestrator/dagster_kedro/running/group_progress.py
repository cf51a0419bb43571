"""What the attempts at one group have done so far, and which of its nodes are left.

Dagster takes one result of an asset or a check in a step, so what an attempt has reported stays
reported: the next one runs the rest, and what it has to make again is told as a fact.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import dagster as dg
import msgspec
from kedro_manifest.planning.plan import Group
from kedro_manifest.planning.selection import unfinished_nodes

from dagster_kedro.assets.index import AssetIndex
from dagster_kedro.results.expected import Expected
from dagster_kedro.results.group_results import GroupResults


class GroupProgress:
    """Keeps account of one group.

    Args:
        index: Of the project's assets.
        group: The group.
        checks: The selected checks of its assets, and whether each blocks.
    """

    def __init__(
        self, index: AssetIndex, group: Group, checks: Mapping[dg.AssetCheckKey, bool]
    ) -> None:
        self._index = index
        self._group = group
        self._checks = dict(checks)
        self._checked: set[dg.AssetCheckKey] = set()
        self._wanted: set[dg.AssetKey] = set()
        self._finished: set[str] = set()
        self._reported: set[dg.AssetKey] = set()
        self.is_blocked = False
        """True once a blocking check has failed for good: another attempt would pass it by."""

    @property
    def reported(self) -> set[str]:
        """Datasets, and nodes without outputs, that were reported as selected assets."""
        return {self._index.by_key[key].name for key in self._reported}

    @property
    def checks_left(self) -> dict[dg.AssetCheckKey, bool]:
        """Checks that no attempt has reported."""
        return {key: blocks for key, blocks in self._checks.items() if key not in self._checked}

    @property
    def checked(self) -> dict[dg.AssetCheckKey, bool]:
        """Checks that an attempt has reported."""
        return {key: blocks for key, blocks in self._checks.items() if key in self._checked}

    def keys_of(self, group: Group) -> set[dg.AssetKey]:
        """Return what some of its nodes may say something of: checked assets, and reported ones."""
        graph = self._index.graph
        made = {key for node in group.nodes for key in self._index.keys_of(graph.nodes[node])}
        return {key.asset_key for key in self._checks} | (made & self._reported)

    def take(self, expected: Expected, results: GroupResults) -> None:
        """Account for an attempt that has ended."""
        self._wanted |= expected.assets.keys()
        self._reported |= results.reported
        self._checked |= results.checked
        self._finished |= results.finished_nodes
        self.is_blocked |= results.is_blocked and not expected.tries_checks_again

    def left(self, staged: AbstractSet[str]) -> Group:
        """Return the group with the nodes that have to run now.

        Args:
            staged: In-memory datasets that outlive a worker.
        """
        done = {name for name in self._finished if self._is_accounted_for(name)}
        graph = self._index.graph
        left = unfinished_nodes(graph, self._group.nodes, done, available=staged)
        return msgspec.structs.replace(
            self._group, nodes=[name for name in self._group.nodes if name in left]
        )

    def _is_accounted_for(self, node: str) -> bool:
        """Tell whether nothing that is wanted of a finished node is missing."""
        keys = set(self._index.keys_of(self._index.graph.nodes[node]))
        missing = (self._wanted - self._reported) | {key.asset_key for key in self.checks_left}
        return keys.isdisjoint(missing)
