"""The registered pipelines."""

from kedro.pipeline import node, pipeline

from checked import nodes


def register_pipelines():
    """Return all pipelines by name."""
    return {
        "__default__": pipeline(
            [
                node(nodes.extend, ["raw", "params:added"], "numbers", name="extend"),
                node(nodes.double, "numbers", "doubled", name="double"),
                node(sorted, "doubled", "sorted_once", name="sort"),
                node(sum, "sorted_once", "total", name="add_up"),
                node(nodes.comment, "numbers", "note", name="comment"),
                node(nodes.stand_apart, None, "apart", name="stand_apart"),
            ]
        ),
    }
