"""Two sources of numbers, the same pipeline in a namespace for each."""

from functools import partial

from kedro.pipeline import node, pipeline


def count(to, by):
    """Return numbers from nought."""
    return list(range(0, to, by))


class Scale:
    """Multiplies; a node's function may be an object, or the method of one."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, numbers):
        """Multiply each number."""
        return [self.factor * number for number in numbers]

    def describe(self, numbers):
        """Say how many numbers there are."""
        return f"{len(numbers)} times {self.factor}"


def create_pipeline():
    """Return one namespace for each step."""
    parts = [
        pipeline(
            [
                node(partial(count, by=step), "params:to", "counted", name="count"),
                node(Scale(step), "counted", "numbers", name="scale", tags=["group.scaling"]),
                node(Scale(step).describe, "counted", "described", name="describe"),
            ],
            namespace=f"by{step}",
            parameters={"params:to"},
            tags=["generated"],
        )
        for step in (1, 2)
    ]
    return sum(parts)
