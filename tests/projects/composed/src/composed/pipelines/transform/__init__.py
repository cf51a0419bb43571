"""Bring the numbers together, with nodes of a class and a decorator of the project's own."""

import functools

from kedro.pipeline import node, pipeline
from kedro.pipeline.node import Node


class LoudNode(Node):
    """A node that shouts its first output."""

    def run(self, inputs=None):
        """Run the node, and add an exclamation mark to its text."""
        return {name: f"{value}!" for name, value in super().run(inputs).items()}


def logged(function):
    """Wrap a function as decorators do."""

    @functools.wraps(function)
    def wrapper(*arguments, **options):
        return function(*arguments, **options)

    return wrapper


@logged
def merge(one, two):
    """Merge two lists."""
    return sorted([*one, *two])


def create_pipeline():
    """Return nodes in no particular order."""
    return pipeline(
        [
            LoudNode(lambda merged, mean: f"{len(merged)} of mean {mean}", ["merged", "mean"],
                     "summary", name="summarize"),
            node(lambda merged: sum(merged) / len(merged), "merged", "mean",
                 tags=["group.statistics"]),
            node(max, inputs="merged", outputs="largest", tags=["group.statistics"]),
            node(merge, {"one": "by1.numbers", "two": "by2.numbers"}, "merged"),
            node(lambda *texts: "; ".join(texts),
                 ["summary", "by1.described", "by2.described"], "report"),
        ]
    )  # fmt: skip
