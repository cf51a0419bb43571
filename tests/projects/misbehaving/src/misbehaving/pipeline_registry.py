"""One node that misbehaves alone, one between two others, and a chain with a version in it."""

from kedro.pipeline import node, pipeline

from misbehaving import nodes


def register_pipelines():
    """Return all pipelines by name."""
    return {
        "alone": pipeline(
            [node(nodes.misbehave, ["params:behaviour", "params:size"], "outcome", name="only")]
        ),
        "chain": pipeline(
            [
                node(nodes.begin, None, "begun", name="begin"),
                node(
                    nodes.misbehave_after,
                    ["begun", "params:behaviour", "params:size"],
                    "continued",
                    name="continue",
                ),
                node(nodes.end, "continued", "ended", name="end"),
            ]
        ),
        "empty": pipeline([node(nodes.nothing, None, "never", name="nothing")]),
        "resuming": pipeline(
            [
                node(nodes.fit, None, "model", name="fit"),
                node(nodes.score_once_allowed, "model", "score", name="score"),
                node(nodes.end, "score", "report", name="report"),
            ]
        ),
        "remaking": pipeline(
            [
                node(nodes.split, None, ["kept", "held"], name="split"),
                node(nodes.score_once_allowed, "held", "remade", name="remake"),
                node(nodes.end, "kept", "read_back", name="read_back"),
            ]
        ),
        "orphaned": pipeline(
            [
                node(nodes.orphan, None, "a_never", name="a_orphan"),
                node(nodes.begin, None, "b_later", name="b_later"),
            ]
        ),
        "many": pipeline(
            [
                node(nodes.begin, None, f"part_{index:02d}", name=f"make_{index:02d}")
                for index in range(50)
            ]
        ),
    }
