"""The registered pipelines."""

from kedro.pipeline import node, pipeline

from relay import nodes


def register_pipelines():
    """Return all pipelines by name."""
    return {
        "scaling": pipeline(
            [
                node(nodes.scale_one, "params:factor", "before", name="scale_before"),
                node(nodes.scale, ["middle", "params:factor"], "after", name="scale_after"),
            ]
        ),
        "streaming": pipeline(
            [
                node(nodes.begin, None, "early", name="begin"),
                node(nodes.wait_for_signal, "early", "late", name="wait_for_signal"),
            ]
        ),
        "versions": pipeline(
            [
                node(nodes.train, None, "model", name="train"),
                node(nodes.judge, "model", "score", name="judge"),
                node(nodes.quote, ["model", "score"], "quoted", name="quote"),
            ]
        ),
        "memory": pipeline(
            [
                node(nodes.count, None, "numbers", name="count"),
                node(nodes.double, "numbers", ["doubled", "double_note"], name="double"),
                node(sum, "doubled", "total", name="add_up"),
                node(nodes.say, "total", None, name="say"),
            ]
        ),
        "environment": pipeline([node(nodes.environment, None, "environment", name="look_around")]),
        "meeting": pipeline(
            [
                node(nodes.meet_left, None, "left", name="meet_left"),
                node(nodes.meet_right, None, "right", name="meet_right"),
                node(
                    lambda left, right: f"{left} and {right}", ["left", "right"], "met", name="part"
                ),
            ]
        ),
        "stumbling": pipeline(
            [
                node(nodes.stumble, None, "steps", name="stumble"),
                node(nodes.walk, None, "way", name="walk"),
            ]
        ),
        "half_sound": pipeline(
            [node(nodes.give_both, None, ["sound", "broken"], name="give_both")]
        ),
        "two": pipeline(
            [
                node(nodes.give_two, None, ["first", "second"], name="give_two"),
                node(lambda one, two: one + two, ["first", "second"], "together", name="add"),
            ]
        ),
        "speaking": pipeline(
            [
                node(nodes.count, None, "numbers", name="count"),
                node(nodes.speak, "numbers", "spoken", name="speak"),
                node(nodes.stammer, "numbers", "stammered", name="stammer"),
                node(nodes.boast, None, "boasted", name="boast"),
                node(nodes.murmur, "spoken", None, name="murmur"),
            ]
        ),
        "logging": pipeline([node(nodes.log, None, "logged", name="log")]),
    }
