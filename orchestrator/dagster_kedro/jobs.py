"""Jobs on the assets of one project. Definition time only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from dagster_kedro.index import AssetIndex


def pipeline_jobs(index: AssetIndex, pipelines: Sequence[str] | None) -> Iterator[Any]:
    """Yield a job for each registered pipeline that makes any asset.

    Args:
        index: Of the project's assets.
        pipelines: Registered pipelines to take; None takes every one.
    """
    for pipeline in index.manifest.pipelines:
        chosen = pipelines is None or pipeline.name in pipelines
        keys = [spec.key for spec in index.produced_specs(set(pipeline.nodes))]
        if chosen and keys:
            yield dg.define_asset_job(
                index.name_for(pipeline.name),
                selection=dg.AssetSelection.assets(*keys),
                description=f"Kedro pipeline `{pipeline.name}`, {len(pipeline.nodes)} nodes.",
            )
