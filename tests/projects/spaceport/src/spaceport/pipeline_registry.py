"""The registered pipelines."""

from spaceport.pipelines import ingestion, reporting, training


def register_pipelines():
    """Return all pipelines by name."""
    parts = {
        "ingestion": ingestion.create_pipeline(),
        "training": training.create_pipeline(),
        "reporting": reporting.create_pipeline(),
    }
    return {**parts, "__default__": sum(parts.values())}
