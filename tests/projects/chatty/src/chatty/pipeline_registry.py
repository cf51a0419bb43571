"""The registered pipelines."""

from kedro.pipeline import node, pipeline

from chatty import nodes


def register_pipelines():
    """Return all pipelines by name."""
    talking = pipeline(
        [
            node(nodes.talk, None, "talked", name="talk"),
            node(nodes.listen, "talked", "heard", name="listen"),
        ]
    )
    others = pipeline(
        [
            node(nodes.flood, None, "flooded", name="flood"),
            node(nodes.redirect, None, "redirected", name="redirect"),
            node(nodes.wait_for_a_reader, None, "read", name="wait"),
            node(nodes.die, None, "dead", name="die"),
            node(nodes.fail, None, "failed", name="fail"),
        ]
    )
    return {"__default__": talking + others, "talking": talking}
