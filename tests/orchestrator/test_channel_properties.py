"""Frames and numbers together: delivered exactly, or reported as incomplete. Never in between."""

import json
from itertools import pairwise

from dagster_kedro.channel import MessageStream
from hypothesis import given, settings
from hypothesis import strategies as st
from kedro_manifest.events import NUMBER_KEY
from kedro_manifest.frames import MARK, FrameReader, encode_frames

STOCK = b'{"__dagster_pipes_version"'
"""Before the first frame, this is a message of another writer, and no noise."""
NOISE = st.one_of(
    st.just(b""),
    st.just(b"\r 40%|####      |"),
    st.just(b"a line\n"),
    st.just(MARK),
    st.just(MARK + b"1 0 1 00000000 {}\n"),
    st.binary(max_size=40).filter(lambda noise: STOCK not in noise),
)
TEXTS = st.one_of(st.text(max_size=20), st.just("x" * 9000), st.just("::kedro-pipes:1 1 0 1"))


def frames_of(texts):
    """Return the frames of a complete stream, one list a message."""
    methods = [*(("log", {"message": text, "level": "INFO"}) for text in texts), ("closed", {})]
    frames = []
    for number, (method, params) in enumerate(methods, start=1):
        line = {"__dagster_pipes_version": "0.1", "method": method, "params": params}
        line[NUMBER_KEY] = number
        frames.append(list(encode_frames(number, json.dumps(line).encode())))
    return frames


def receive(data, cuts=()):
    """Return the texts that arrive, and the defects."""
    reader, stream, messages = FrameReader(), MessageStream(), []
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    lines = []
    for start, end in pairwise(places):
        lines += reader.feed(data[start:end])[0]
    lines += reader.close()[0]
    for line in lines:
        messages += stream.feed(line)
    return [m.params["message"] for m in messages if m.method == "log"], stream.defects()


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=6), st.lists(NOISE, max_size=12), st.lists(st.integers(0, 10**6)))
def test_complete(texts, noise, cuts):
    """Through any splitting and noise a complete stream arrives exactly, without a defect."""
    pieces = []
    for index, frame in enumerate(frame for message in frames_of(texts) for frame in message):
        pieces += [noise[index % len(noise)] if noise else b"", frame]

    assert receive(b"".join(pieces), cuts) == (texts, [])


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=6), st.data())
def test_reordered_and_repeated(texts, data):
    """In any order and with repeats, everything arrives exactly and in order."""
    frames = [frame for message in frames_of(texts) for frame in message]
    mixed = data.draw(st.permutations(frames))
    mixed += data.draw(st.lists(st.sampled_from(frames), max_size=4))

    assert receive(b"".join(mixed)) == (texts, [])


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=5), st.data())
def test_anything_missing(texts, data):
    """If any frame is missing, or the stream is cut off, what arrives is right and a defect tells."""
    frames = [frame for message in frames_of(texts) for frame in message]
    missing = data.draw(st.integers(0, len(frames) - 1))
    arrived, defects = receive(b"".join(frames[:missing] + frames[missing + 1 :]))

    assert arrived == texts[: len(arrived)]
    assert defects


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=5), st.integers(0, 10**6))
def test_cut_off(texts, length):
    """A stream that is cut off anywhere delivers a beginning, and is complete or says it is not."""
    data = b"".join(frame for message in frames_of(texts) for frame in message)
    length %= len(data) + 1
    arrived, defects = receive(data[:length])

    assert arrived == texts[: len(arrived)]
    # Without its very last line break the last frame is whole all the same.
    assert (not defects) == (length >= len(data) - 1)


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4), st.integers(0, 10**6), st.integers(1, 255))
def test_one_damaged_byte(texts, position, change):
    """One damaged byte anywhere never delivers a wrong text without a defect."""
    data = bytearray(b"".join(frame for message in frames_of(texts) for frame in message))
    data[position % len(data)] ^= change
    arrived, defects = receive(bytes(data))

    assert defects or arrived == texts


@given(st.integers(1, 5), st.text(max_size=5), st.text(max_size=5))
def test_two_writers_of_one_number(number, one, other):
    """Two different messages under one number are a defect; the same one twice is none."""
    stream = MessageStream()
    for text in (one, other):
        line = {"method": "log", "params": {"message": text}, NUMBER_KEY: number}
        list(stream.feed(json.dumps(line).encode()))

    told = f"two different messages have the number {number}" in stream.defects()
    assert told == (one != other)
