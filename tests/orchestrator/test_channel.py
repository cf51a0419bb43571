"""Lines become messages; what is missing or makes no sense is known at the end."""

import json

import pytest
from dagster_kedro.channel import MessageFile, MessageStream
from hypothesis import given
from hypothesis import strategies as st
from kedro_manifest.events import NUMBER_KEY


def line(number, method="log", **params):
    """Return a line as our worker writes it; without a number, as any Pipes program does."""
    message = {"__dagster_pipes_version": "0.1", "method": method, "params": params}
    return json.dumps(message if number is None else {**message, NUMBER_KEY: number}).encode()


def closed(number):
    return line(number, "closed")


@pytest.fixture
def feed():
    """Feed lines to a stream; return the numbers delivered and the defects."""

    def feed_lines(*lines):
        stream = MessageStream()
        delivered = [message.number for each in lines for message in stream.feed(each)]
        return delivered, stream.defects()

    return feed_lines


def test_complete(feed):
    """A complete stream is delivered in order, without a defect."""
    assert feed(line(1, "opened"), line(2), closed(3)) == ([1, 2, 3], [])


def test_gap(feed):
    """A missing message is named, and nothing after it is delivered as if it had come."""
    delivered, defects = feed(line(1), line(3), closed(4))

    assert delivered == [1]
    assert "message 2 never arrived" in defects


def test_many_gaps(feed):
    """Of many missing messages the first are named, the rest are counted."""
    _, defects = feed(line(1), closed(10))

    assert "message 2, 3, 4, 5, 6 and 3 more never arrived" in defects


def test_repeats(feed):
    """A message that comes twice is delivered once."""
    assert feed(line(1), line(1), line(2), line(1), closed(3), closed(3)) == ([1, 2, 3], [])


def test_reordered(feed):
    """Messages that come out of order are put in order."""
    assert feed(line(3), line(1), closed(4), line(2)) == ([1, 2, 3, 4], [])


def test_no_end(feed):
    """A stream that stops is incomplete, though no number is missing so far."""
    delivered, defects = feed(line(1), line(2))

    assert delivered == [1, 2]
    assert defects == ["the stream ended after message 2 without its closing message"]


def test_nothing_at_all(feed):
    """A worker that says nothing has not ended well."""
    assert feed() == ([], ["the stream ended without its closing message"])


@pytest.mark.parametrize(
    "broken", [line(2)[:-5], b"Traceback:", b"[1, 2]", b"17", b"\xff\xfe", b"{}", b'"log"', b"null"]
)
def test_a_line_that_is_no_message(feed, broken):
    """A half line, a foreign line or noise is shown, and the stream is not to be trusted."""
    delivered, defects = feed(line(1), broken, closed(2))

    assert delivered == [1, 2]
    (defect,) = defects
    assert f"a line of {len(broken)} bytes is no message" in defect


def test_blank_lines(feed):
    """Blank lines are nothing."""
    assert feed(b"", line(1), b"  ", closed(2), b"\r") == ([1, 2], [])


def test_without_numbers(feed):
    """Any Pipes program's messages are delivered as they come; its end counts as well."""
    assert feed(line(None, "opened"), line(None), closed(None)) == ([None, None, None], [])
    assert feed(line(None))[1] == ["the stream ended without its closing message"]


def test_an_unknown_method_is_delivered(feed):
    """What a message means is decided elsewhere."""
    assert feed(line(1, "dance"), closed(2)) == ([1, 2], [])


@given(st.lists(st.integers(1, 12), max_size=40))
def test_any_order(numbers):
    """Whatever arrives, in any order and number: delivered in order, or reported as incomplete."""
    stream = MessageStream()
    delivered = [
        message.number
        for number in numbers
        for message in stream.feed(closed(12) if number == 12 else line(number))
    ]

    assert delivered == list(range(1, len(delivered) + 1))
    assert (not stream.defects()) == (set(range(1, 13)) <= set(numbers))


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_any_noise(lines):
    """No bytes whatever raise an error."""
    stream = MessageStream()
    for noise in lines:
        list(stream.feed(noise))

    assert stream.defects()


def test_file_grows(tmp_path):
    """Only complete lines are read from a growing file; the rest comes at the end."""
    path = tmp_path / "messages"
    file = MessageFile(path)
    assert file.read_lines() == []
    with path.open("ab", buffering=0) as writer:
        writer.write(b"one\ntw")
        assert file.read_lines() == [b"one"]
        writer.write(b"o\nthree")
        assert file.read_lines() == [b"two"]
        assert file.read_lines() == []

    assert file.read_rest() == [b"three"]
    assert file.read_rest() == []


@given(st.lists(st.binary(max_size=20).map(lambda each: each.replace(b"\n", b""))), st.data())
def test_file_in_any_pieces(tmp_path_factory, lines, data):
    """However the writes are cut, the same lines are read."""
    content = b"".join(line + b"\n" for line in lines)
    path = tmp_path_factory.mktemp("messages") / "messages"
    file, read, at = MessageFile(path), [], 0
    with path.open("ab", buffering=0) as writer:
        while at < len(content):
            size = data.draw(st.integers(1, len(content) - at))
            writer.write(content[at : at + size])
            at += size
            read += file.read_lines()

    assert read + file.read_rest() == lines
