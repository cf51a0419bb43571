"""Marks in output: nobody sees them, whatever they stand in, and each line finds its owner."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kedro_manifest.output_marks import MarkReader, mark

TEXTS = st.text(st.characters(exclude_characters="\n\r\x01\x02\x03", codec="utf-8"), max_size=12)
NODES = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=5)


def read(text):
    """Read the lines of a stream."""
    reader = MarkReader()
    return [line for each in text.encode().split(b"\n") for line in reader.read(each)]


@given(st.lists(st.tuples(st.sampled_from(["out", "log", "raw"]), TEXTS), min_size=1))
def test_marks_come_out_again(pieces):
    """What is left of a line is what was written; only log records are told already."""
    line = "".join(text if kind == "raw" else mark(kind, 1, "n", text) for kind, text in pieces)
    read_lines = read(line)

    assert "".join(text for _, text in pieces) == "".join(each.text for each in read_lines)
    untold = "".join(text for kind, text in pieces if kind != "log")
    assert untold == "".join(each.untold or "" for each in read_lines)


@given(NODES, NODES, TEXTS)
def test_owners(running, printing, text):
    """Marked text is its node's; unmarked text is that of the node that runs."""
    first, second, last = read(
        f"{mark('now', 3, running)}{text}-\n{mark('out', 4, printing, text + '+')}\n{text}*"
    )

    assert (running, printing, running) == (first.node, second.node, last.node)
    assert (3, 4, 4) == (first.after, second.after, last.after)


def test_a_line_that_another_node_goes_on_with():
    """A node that leaves its line without an end does not get the next one's text."""
    left, right = read(f"{mark('now', 1, 'left')}half a line{mark('now', 2, 'right')}whole")

    assert [("left", "half a line", 1), ("right", "whole", 2)] == [
        (each.node, each.untold, each.after) for each in (left, right)
    ]


def test_a_line_of_two_threads():
    """What two nodes print at the same time is each one's own, though it is in one line."""
    found = read(f"{mark('out', 1, 'left', 'from left')}{mark('out', 1, 'right', 'from right')}")

    assert [("left", "from left"), ("right", "from right")] == [
        (each.node, each.untold) for each in found
    ]


@pytest.mark.parametrize("text", ["record\n\nwith a gap\n", "record\n"])
def test_a_record_of_several_lines(text):
    """None of a record's lines is output, the blank ones included."""
    lines = read(mark("log", 1, "n", text))[: text.count("\n")]

    assert text.rstrip("\n").split("\n") == [each.text for each in lines]
    assert {None} == {each.untold for each in lines}


@pytest.mark.parametrize("text", ["\x01kp:", "\x01kp:out:x:y\x02", "a\x01b", "\x03"])
def test_what_only_looks_like_a_mark(text):
    """It is what was written, and stays."""
    assert [text] == [each.untold for each in read(text)]
