"""A value that cannot be pickled."""

from kedro.pipeline import node, pipeline


def make_rule():
    """Return a function that has no name of its own."""
    return lambda number: number > 3


def apply_rule(rule):
    """Apply the rule."""
    return [number for number in range(6) if rule(number)]


def create_pipeline():
    """Return the pipeline."""
    return pipeline(
        [
            node(make_rule, None, "rule", name="make_rule"),
            node(apply_rule, "rule", "allowed", name="apply_rule"),
        ]
    )
