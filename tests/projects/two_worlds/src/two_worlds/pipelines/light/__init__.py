"""Needs nothing but Kedro."""

from kedro.pipeline import node, pipeline


def count(start):
    """Count what there is."""
    return {"count": len(start)}


def create_pipeline(**_):
    """Return the pipeline."""
    return pipeline([node(count, "start", "counted", name="count")])
