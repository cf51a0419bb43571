"""The registered pipelines."""

from kedro.pipeline import node, pipeline

from tracked import nodes


def register_pipelines():
    """Return all pipelines by name."""
    return {
        "fitting": pipeline(
            [
                node(
                    nodes.make_points,
                    ["params:count", "params:noise"],
                    "points",
                    name="make_points",
                ),
                node(nodes.fit, ["points", "params:fitting"], ["line", "line_model"], name="fit"),
                node(
                    nodes.judge,
                    ["points", "line", "params:judging.tolerance"],
                    ["excess", "curve"],
                    name="judge",
                ),
                node(nodes.remark, "excess", "remark", name="remark"),
                node(nodes.count_points, "points", "counted", name="count_points"),
            ]
        ),
        "mending": pipeline(
            [
                node(nodes.begin, "params:count", "begun", name="begin"),
                node(nodes.mend, "begun", "mended", name="mend"),
            ]
        ),
        "leaving": pipeline(
            [
                node(nodes.begin, "params:count", "arrived", name="arrive"),
                node(nodes.leave, "arrived", "left", name="leave"),
                node(nodes.die, "arrived", "dead", name="die"),
            ]
        ),
        "waiting": pipeline(
            [
                node(nodes.begin, "params:count", "come", name="come"),
                node(nodes.wait, "come", "waited", name="wait"),
            ]
        ),
        "beside": pipeline(
            [node(nodes.begin, "params:count", f"beside_{n}", name=f"beside_{n}") for n in range(3)]
        ),
        "untracked": pipeline(
            [
                node(nodes.begin, "params:count", "alone", name="alone"),
                node(nodes.stay_away, ["alone", "params:count"], "lost", name="stay_away"),
            ]
        ),
    }
