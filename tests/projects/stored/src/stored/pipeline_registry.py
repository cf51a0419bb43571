"""The registered pipelines."""

from kedro.pipeline import node, pipeline

from stored import nodes


def register_pipelines():
    """Return all pipelines by name."""
    formats = pipeline(
        [
            node(nodes.make, None, ["table@json", "cached", "words", "model"], name="make"),
            node(
                nodes.read,
                {"table": "table@text", "cached": "cached", "words": "words", "model": "model"},
                "everything",
                name="read",
            ),
            node(nodes.say, "everything", None, name="say"),
            node(nodes.nothing, "everything", ["blank", "empty"], name="nothing"),
        ]
    )
    parts = pipeline(
        [
            node(nodes.split, None, "parts", name="split"),
            node(nodes.join, "parts", "joined", name="join"),
            node(nodes.stream, "joined", ["lines", "notes", "last"], name="stream"),
            node(nodes.count_lines, ["lines", "notes", "last"], "counted", name="count"),
        ]
    )
    inbox = pipeline(
        [
            node(nodes.read_new, "inbox", "messages", name="read_new"),
            node(nodes.answer, "messages", "answers", name="answer", confirms="inbox"),
        ]
    )
    chain = pipeline(
        [
            node(nodes.begin, None, "one", name="begin"),
            node(nodes.extend, "one", "two", name="extend"),
            node(nodes.extend, "two", "cached_three", name="extend_again"),
            node(nodes.extend, "cached_three", "four@json", name="extend_more"),
            node(nodes.extend, "four@same", "north.five", name="extend_most"),
        ]
    )
    return {
        "formats": formats,
        "parts": parts,
        "inbox": inbox,
        "chain": chain,
        "__default__": formats + parts + inbox,
    }
