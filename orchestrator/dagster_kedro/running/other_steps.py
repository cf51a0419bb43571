"""What the other steps of this run have made, and what they still need of this one.

A run has several steps of one project where each group is a step of its own, where a user
defines several multi-assets, or where Dagster splits one around a foreign asset. Reads Dagster's
event log, writes nothing.
"""

from __future__ import annotations

import dagster as dg
from kedro_manifest.planning.graph import inputs_of, outputs_of
from kedro_manifest.planning.plan import Plan
from kedro_manifest.planning.selection import needed_nodes

from dagster_kedro.assets.index import AssetIndex
from dagster_kedro.running.attempts import (
    STAGED_AT,
    VERSION,
    completed,
    materializations,
    resumed_runs,
)
from dagster_kedro.running.slices import RunSlice, assets_of_run


class OtherSteps:
    """The run as one of its steps sees it.

    Args:
        context: The step's.
        index: Of the project's assets.
        run_slice: What the run makes of them.
    """

    def __init__(
        self, context: dg.AssetExecutionContext, index: AssetIndex, run_slice: RunSlice
    ) -> None:
        self._context = context
        self._index = index
        self._slice = run_slice
        self._own = context.assets_def.keys
        self.has_any = not assets_of_run(context, index) <= self._own

    def staged(self) -> dict[str, str]:
        """Return the in-memory datasets that they have staged, and where.

        Steps that a run which this one resumes has finished are not run again.
        """
        told: dict[str, str] = {}
        for run_id in self._runs():
            told |= self._told(STAGED_AT, run_id)
        return told

    def versions(self) -> dict[str, str]:
        """Return the versions that they have saved, by dataset."""
        return self._told(VERSION, self._context.run_id)

    def wanted(self, plan: Plan) -> set[str]:
        """Return the datasets of a plan that nodes of other steps read."""
        graph = self._index.graph
        made = {name for node in plan.nodes for name in outputs_of(graph.nodes[node])}
        return {
            name
            for node in graph.nodes.values()
            if not self._own.intersection(self._index.keys_of(node))
            for name in inputs_of(node)
            if name in made
        }

    def nodes_of_run(self, plan: Plan) -> list[str]:
        """Return the nodes that the run has to run in all of its steps, of which a plan is one."""
        if not self.has_any:
            return plan.nodes
        assets = [self._index.by_key[key] for key in assets_of_run(self._context, self._index)]
        elsewhere = needed_nodes(
            self._index.graph,
            datasets=[asset.name for asset in assets if not asset.is_node],
            nodes=[asset.name for asset in assets if asset.is_node],
        )
        return sorted(elsewhere.union(plan.nodes))

    def are_done(self) -> bool:
        """Tell whether every asset of the run is materialized: this step is the last one then.

        Of two steps that end together, each has told Dagster of its assets before it asks, so at
        least one of them sees that all is done.
        """
        context, index = self._context, self._index
        made: set[dg.AssetKey] = set()
        for run_id in self._runs():
            made |= completed(context, run_id, lambda key: self._slice.keys_of(index, key)).keys()
        return assets_of_run(context, index) <= made

    def _runs(self) -> list[str]:
        """Return the runs that have made what this one takes as made, itself the last."""
        return [*reversed(list(resumed_runs(self._context))), self._context.run_id]

    def _told(self, name: str, run_id: str) -> dict[str, str]:
        if not self.has_any:
            return {}
        told: dict[str, str] = {}
        for event in materializations(self._context, run_id):
            key = event.asset_key
            if key in self._index.by_key and key not in self._own and name in event.metadata:
                told[self._index.by_key[key].name] = str(event.metadata[name].value)
        return told
