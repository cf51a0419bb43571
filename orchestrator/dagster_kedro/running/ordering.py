"""Hold results back until what they depend on has been yielded, as Dagster demands.

Where every group that a selection needs is run, results come in order by themselves. Where
nodes are left out because their outputs are there already, they do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg


def in_dependency_order(
    outcomes: Iterable[Any],
    there: Mapping[dg.AssetKey, dg.MaterializeResult[Any]],
    dependencies: Mapping[dg.AssetKey, set[dg.AssetKey]],
    partitions_of: Callable[[dg.AssetKey], Sequence[str | None]] = lambda _: [None],
) -> Iterator[Any]:
    """Yield outcomes, results among them only after those of their dependencies.

    Args:
        outcomes: What the groups report, live.
        there: Results of assets that need not be made.
        dependencies: Of each asset that will be yielded, on others that will be.
        partitions_of: The partitions that a result of an asset stands for.
    """
    waiting: dict[dg.AssetKey, dg.MaterializeResult[Any]] = dict(there)
    yielded: set[dg.AssetKey] = set()

    def release() -> Iterator[Any]:
        ready = [key for key in waiting if dependencies[key] <= yielded]
        while ready:
            for key in ready:
                yielded.add(key)
                yield waiting.pop(key)
            ready = [key for key in waiting if dependencies[key] <= yielded]

    yield from release()
    for outcome in outcomes:
        if isinstance(outcome, dg.MaterializeResult) and outcome.asset_key is not None:
            waiting[outcome.asset_key] = outcome
            yield from release()
        else:
            yield outcome
    # After a failure some results wait for what never came: what was made is logged as a fact.
    for key, result in waiting.items():
        for partition in partitions_of(key) if key not in there else []:
            metadata = result.metadata or {}
            yield dg.AssetMaterialization(key, metadata=metadata, partition=partition)
