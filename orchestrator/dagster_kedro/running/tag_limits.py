"""How many groups that hold a node of some tag may run at a time. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from kedro_manifest.planning.graph import PipelineGraph
from kedro_manifest.planning.plan import Plan


class TagLimits:
    """Tells which groups have to wait for others of their tag.

    Args:
        limits: Groups at a time, by tag; at least 1 each.
        tags: The tags of each group's nodes, by the group's name.
    """

    def __init__(self, limits: Mapping[str, int], tags: Mapping[str, AbstractSet[str]]) -> None:
        self._limits = limits
        self._tags = {group: of & limits.keys() for group, of in tags.items()}

    def admit(self, group: str, running: Iterable[str]) -> bool:
        """Tell whether a group may start beside those that are running."""
        taken = Counter(tag for other in running for tag in self._tags.get(other, ()))
        return all(taken[tag] < self._limits[tag] for tag in self._tags.get(group, ()))


NO_LIMITS = TagLimits({}, {})


def limits_of(plan: Plan, graph: PipelineGraph, limits: Mapping[str, int]) -> TagLimits:
    """Return the limits that hold for the groups of a plan."""
    tags = {
        group.name: {tag for node in group.nodes for tag in graph.nodes[node].tags}
        for group in plan.groups
    }
    return TagLimits(limits, tags)
