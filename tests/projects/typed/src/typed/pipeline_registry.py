"""The registered pipelines."""

from typing import Any

from kedro.pipeline import node, pipeline

from typed.options import Model, Window


def show(value: Any):
    """Return each value with its type, which JSON would lose."""
    if isinstance(value, dict):
        return {f"{key!r}": show(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [show(inner) for inner in value]
    return f"{type(value).__name__} {value!r}"


def show_all(parameters):
    """Show all parameters."""
    return show(parameters)


def show_some(*values):
    """Show some parameters."""
    return [show(value) for value in values]


def fit(model: Model, window: Window, depth):
    """Use parameters that are objects."""
    return [
        type(model).__name__,
        model.search.depth * window.days,
        model.search.breadth,
        window.label,
        depth,
    ]


def copy(window: Window):
    """Return an object of the project's own."""
    return window


def unpack(copied, optional, none):
    """Take an object from memory."""
    return [copied.label, copied.days, optional, none]


def register_pipelines():
    """Return all pipelines by name."""
    return {
        "__default__": pipeline(
            [
                node(show_all, "parameters", "all", name="show_all"),
                node(
                    show_some,
                    [
                        "params:calendar.first",
                        "params:by_year",
                        "params:matrix",
                        "params:nothing",
                        "params:empty",
                        "params:ratio",
                    ],
                    "some",
                    name="show_some",
                ),
                node(
                    fit,
                    {
                        "model": "params:model",
                        "window": "params:window",
                        "depth": "params:model.search.depth",
                    },
                    "fitted",
                    name="fit",
                ),
                node(copy, "params:window", "copied", name="copy"),
                node(
                    unpack,
                    {"copied": "copied", "optional": "params:ratio", "none": "params:nothing"},
                    "unpacked",
                    name="unpack",
                ),
            ]
        )
    }
