"""Report on shuttles and models."""

import logging
from functools import partial

from kedro.pipeline import node, pipeline

logger = logging.getLogger(__name__)


def split_by(model_input, column):
    """Return one table for each value of a column."""
    return {str(value): rows for value, rows in model_input.groupby(column)}


def summarize(shuttles_text, north, south):
    """Count the shuttles in the file's text and quote both models."""
    return {
        "shuttles": len(shuttles_text.splitlines()) - 1,
        "slopes": [north["slope"], south["slope"]],
    }


def announce(summary, greeting):
    """Say how many shuttles fly; saves nothing."""
    logger.warning("%s: %d shuttles", greeting, summary["shuttles"])


def create_pipeline():
    """Return the reporting pipeline."""
    return pipeline(
        [
            node(
                partial(split_by, column="origin"),
                "model_input",
                "shuttles_by_origin",
                name="split_by_origin",
            ),
            node(
                summarize,
                ["clean_shuttles@text", "north.model", "south.model"],
                "summary",
                name="summarize",
            ),
            node(announce, ["summary", "params:greeting"], None, name="announce"),
        ]
    )
