"""The registered pipelines."""

from datetime import timedelta

from kedro.pipeline import node, pipeline


def keep(*values):
    """Return all values in a list."""
    return list(values)


def say_loudly(values):
    """Return a text."""
    return " ".join(map(str, values))


def add_days(day, days):
    """Return another day, as text."""
    return str(day + timedelta(days=days))


def register_pipelines():
    """Return all pipelines by name."""
    return {
        "__default__": pipeline(
            [
                node(keep, ["given", "params:package", "params:limit"], "configured", name="give"),
                node(keep, "configured", "added", name="replace"),
                node(say_loudly, "added", "shouted", name="shout"),
                node(add_days, ["params:opening", "params:limit"], "closing", name="count_days"),
                node(keep, ["shouted", "added", "configured", "closing"], "final", name="finish"),
            ]
        )
    }
