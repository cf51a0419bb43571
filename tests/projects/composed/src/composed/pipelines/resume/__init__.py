"""Nodes that share memory, one of which fails until a file is there."""

import os
from pathlib import Path

from kedro.pipeline import node, pipeline


def prepare():
    """Return which process this is."""
    return {"process": os.getpid()}


def go_on(prepared):
    """Fail at first."""
    if not Path("data/go").exists():
        raise RuntimeError("not yet")
    return prepared["process"]


def create_pipeline():
    """Return the pipeline."""
    return pipeline(
        [
            node(prepare, None, "prepared", name="prepare"),
            node(go_on, "prepared", "prepared_by", name="go_on"),
        ]
    )
