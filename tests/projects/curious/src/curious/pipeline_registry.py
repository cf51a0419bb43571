"""The registered pipelines; the nodes say which names they saw."""

from kedro.pipeline import node, pipeline

LONG = "память_" + "так_мы_жили_" * 12
"""Percent-encoded, this would be longer than a file's name may be."""


def first():
    """Return one value for each output."""
    return "a context", "a config", "a class", "an input", "an output"


def quote(*values):
    """Return the values in the order in which they came."""
    return list(values)


def spell():
    """Return values for names that differ only in punctuation."""
    return "hyphen", "underscore", "dot", "two underscores", "space", "two hyphens"


def say(value):
    """Save nothing."""
    print(value)


def register_pipelines():
    """Return all pipelines by name."""
    reserved = pipeline(
        [
            node(first, None, ["context", "config", "class", "in", "out"], name="context"),
            node(quote, ["context", "class"], "type", name="class"),
            node(quote, ["config", "in", "out", "type"], "result", name="op"),
            node(say, "result", None, name="def"),
        ]
    )
    written = pipeline(
        [
            node(spell, None, ["a-b", "a_b", "a.b", "a__b", "a b", "a--b"], name="a-b"),
            node(quote, ["a-b", "a_b", "a.b"], "U_2d_U", name="a_b"),
            node(quote, ["a__b", "a b", "a--b", "U_2d_U"], "__init__", name="a.b"),
        ]
    )
    accented = pipeline(
        [
            node(quote, ["context", "__init__"], "größe", name="größe"),
            node(quote, "größe", "данные.数据", name="数据.清洗"),
            node(quote, "данные.数据", LONG, name="память"),
            node(quote, LONG, "🙂", name="été"),
        ]
    )
    step = pipeline([node(quote, ["source", "params:café.au lait"], "ns", name="ns")])
    namespaced = pipeline(
        [
            node(quote, "🙂", "source", name="ns"),
            *pipeline(
                step,
                namespace="ns",
                inputs={"source"},
                parameters={"params:café.au lait"},
                outputs={"ns": "ns.ns"},
            ).nodes,
        ]
    )
    return {
        "config": reserved,
        "a-b": written,
        "été": accented,
        "ns": namespaced,
        "curious_assets": reserved,  # what the op of all assets is called
        "__default__": reserved + written + accented + namespaced,
    }
