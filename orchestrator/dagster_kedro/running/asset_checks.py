"""Which asset checks a step's groups have to report, and which they may. Starts nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import dagster as dg
from kedro_manifest.planning.graph import inputs_of
from kedro_manifest.planning.plan import Group

from dagster_kedro.assets.checks import KedroCheck
from dagster_kedro.assets.index import AssetIndex


class StepChecks:
    """The checks of one step.

    Args:
        context: The step's, which knows what is selected.
        index: Of the project's assets.
    """

    def __init__(self, context: Any, index: AssetIndex) -> None:
        self._index = index
        self._specs = {spec.key: spec for spec in context.assets_def.check_specs}
        self.selected = selected_checks(context)
        """Each, and whether it blocks what is downstream."""
        self.on_loading = {key for key, check in index.checks.items() if not check.on_save}
        """What is validated on loading only is a matter of who loads it: there may be no result."""
        self._by_asset: dict[dg.AssetKey, list[KedroCheck]] = {}
        for check in (*index.checks.values(), *self._of_user()):
            self._by_asset.setdefault(check.key.asset_key, []).append(check)

    def of_stored(self, made: AbstractSet[dg.AssetKey]) -> list[KedroCheck]:
        """Return the selected checks for which loading what is stored is enough.

        Args:
            made: Assets that the step is to make.
        """
        found = []
        for key, checks in self._by_asset.items():
            asset = self._index.by_key[key]
            wanted = [check for check in checks if check.key in self.selected]
            by_loading = all(check.kind in {"validator", "not_empty"} for check in wanted)
            if key not in made and by_loading and not asset.is_memory:
                found += wanted
        return found

    def expected_of(
        self, group: Group, kept: Collection[dg.AssetKey]
    ) -> dict[dg.AssetCheckKey, bool]:
        """Return the selected checks that a group's nodes have to report.

        Args:
            group: The group.
            kept: Assets that an earlier attempt has made.
        """
        made = self._made_by(group) - set(kept)
        return {
            key: blocks
            for key, blocks in self.selected.items()
            if key.asset_key in made and key not in self.on_loading
        }

    def known_to(self, group: Group) -> list[KedroCheck]:
        """Return the checks that a group's nodes may report: Kedro validates whatever it loads."""
        graph, index = self._index.graph, self._index
        made = self._made_by(group)
        read = {
            index.key_of_dataset[name]
            for node in group.nodes
            for name in inputs_of(graph.nodes[node])
        }
        return [
            check
            for key in sorted(made | read)
            for check in self._by_asset.get(key, ())
            if check.kind == "validator" or (key in made and check.key in self.selected)
        ]

    def validated_by(self, group: Group, passed: AbstractSet[dg.AssetCheckKey]) -> set[str]:
        """Return the datasets that a group has validated on saving, with nothing wrong."""
        made = self._made_by(group)
        return {
            check.dataset
            for key, check in self._index.checks.items()
            if key in passed and key.asset_key in made and check.kind == "validator"
        }

    def partitions_of(
        self,
        checks: Iterable[KedroCheck],
        partitions_of: Callable[[dg.AssetKey], Sequence[str | None]],
    ) -> dict[dg.AssetCheckKey, Sequence[str | None]]:
        """Return the partitions of which a result of each check is; none of an unpartitioned one."""
        return {
            check.key: partitions_of(check.key.asset_key)
            for check in checks
            if self._is_partitioned(check.key)
        }

    def _is_partitioned(self, key: dg.AssetCheckKey) -> bool:
        if key in self._index.checks:  # maybe of another step
            return self._index.specs[key.asset_key].partitions_def is not None
        return self._specs[key].partitions_def is not None

    def _made_by(self, group: Group) -> set[dg.AssetKey]:
        graph = self._index.graph
        return {key for node in group.nodes for key in self._index.keys_of(graph.nodes[node])}

    def _of_user(self) -> Iterable[KedroCheck]:
        """Yield what a user of `@kedro_assets` has declared."""
        for key, spec in self._specs.items():
            if key not in self._index.checks and key.asset_key in self._index.by_key:
                yield KedroCheck(
                    key=key,
                    kind="reported",
                    dataset=self._index.by_key[key.asset_key].name,
                    blocking=spec.blocking,
                )


def selected_checks(context: Any) -> dict[dg.AssetCheckKey, bool]:
    """Return the selected checks of a step, and whether each blocks."""
    blocking = {spec.key: spec.blocking for spec in context.assets_def.check_specs}
    return {key: blocking[key] for key in context.selected_asset_check_keys}
