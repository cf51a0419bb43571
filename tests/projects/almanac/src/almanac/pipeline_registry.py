"""The registered pipelines."""

from kedro.pipeline import node, pipeline

from almanac import nodes


def register_pipelines():
    """Return all pipelines by name."""
    told = ["orders", "params:partition_keys"]
    amounts = pipeline(
        [
            node(nodes.split, told, "amounts", name="split"),
            node(nodes.split_later, told, "later", name="split_later"),
            node(nodes.add_up, told, "total", name="add_up"),
        ]
    )
    chunks = pipeline(
        [
            node(
                nodes.split_by_and_by,
                [*told, "params:fail_at"],
                "chunks",
                name="split_by_and_by",
            )
        ]
    )
    models = pipeline(
        [
            node(nodes.fit, "total", "model", name="fit"),
            node(nodes.judge, ["model", "params:partition_key"], "verdict", name="judge"),
        ]
    )
    summary = pipeline([node(nodes.summarise, "amounts", "summary", name="summarise")])
    return {
        "amounts": amounts,
        "chunks": chunks,
        "models": models,
        "summary": summary,
        "__default__": amounts + chunks + models + summary,
    }
