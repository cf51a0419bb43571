"""One pipeline: two halves, which share nothing, and what comes before and after."""

from kedro.pipeline import node, pipeline


def split(count):
    """Return two lists of numbers."""
    return list(range(count)), list(range(count, 2 * count))


def square(numbers):
    """Return the squares."""
    return [number**2 for number in numbers]


def add(squares):
    """Return their sum."""
    return sum(squares)


def add_or_fail(squares, fail):
    """Return their sum, unless it is to fail."""
    if fail:
        raise LookupError("told to fail")
    return sum(squares)


def compare(first, second):
    """Return which is larger, and a remark, which nobody reads."""
    return {"larger": "second" if second > first else "first"}, f"{first} and {second}"


def register_pipelines():
    """Return the pipelines by name."""
    halves = [
        node(square, "first", "left.squares", name="square", namespace="left"),
        node(add, "left.squares", "left.total", name="add", namespace="left"),
        node(square, "second", "right.squares", name="square", namespace="right"),
        node(
            add_or_fail,
            ["right.squares", "params:fail"],
            "right.total",
            name="add",
            namespace="right",
        ),
    ]
    around = [
        node(split, "params:count", ["first", "second"], name="split"),
        node(compare, ["left.total", "right.total"], ["verdict", "remark"], name="compare"),
    ]
    return {"__default__": pipeline(halves, tags="group.halves") + pipeline(around)}
