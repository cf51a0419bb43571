"""The registered pipelines."""

from kedro.pipeline import node, pipeline

from buckets import nodes


def register_pipelines():
    """Return the one pipeline."""
    return {
        "__default__": pipeline(
            [
                node(nodes.split, "flights", "by_day", name="split"),
                node(nodes.add_up, "by_day", "totals", name="add_up"),
                node(nodes.fit, "totals", "model", name="fit"),
                node(nodes.judge, "model", "north.score", name="judge"),
                node(nodes.report, "north.score", "report", name="report"),
            ]
        )
    }
