"""Needs a library that the light worker's environment lacks."""

import heavylib
from kedro.pipeline import node, pipeline


def weigh(counted):
    """Weigh what was counted."""
    return heavylib.weigh(counted["count"])


def create_pipeline(**_):
    """Return the pipeline."""
    return pipeline([node(weigh, "counted", "weighed", name="weigh")])
