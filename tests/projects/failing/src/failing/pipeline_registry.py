"""One pipeline for what can go wrong in a node, one for each way around it."""

import sys

from kedro.pipeline import node, pipeline


def prepare():
    """Return something good."""
    return {"value": 1}


def divide(prepared):
    """Fail as a user's code does."""
    return prepared["value"] / 0


def use(divided):
    """Never reached."""
    return divided


def copy(prepared):
    """Depend on what is good only."""
    return prepared


def leave():
    """End the process as if all were well."""
    sys.exit(0)


def unsavable():
    """Return what JSON cannot hold."""
    return object()


def register_pipelines():
    """Return all pipelines by name."""
    leaving = pipeline([node(leave, None, "left", name="leave")])
    saving = pipeline([node(unsavable, None, "never_saved", name="save")])
    return {
        "computing": pipeline(
            [
                node(prepare, None, "prepared", name="prepare"),
                node(divide, "prepared", "divided", name="divide"),
                node(use, "divided", "used", name="use"),
                node(copy, "prepared", "copied", name="copy"),
            ]
        ),
        "leaving": leaving,
        "loading": pipeline([node(copy, "absent", "never_loaded", name="load")]),
        "saving": saving,
        "both": leaving + saving,
    }
