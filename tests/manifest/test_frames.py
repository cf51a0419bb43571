"""Frames: whatever shares the stream with them, messages come out whole or not at all."""

import json
import zlib
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st
from kedro_manifest.frames import FRAME_BYTES, MARK, FrameReader, encode_frames

STOCK = b'{"__dagster_pipes_version"'
PAYLOADS = st.one_of(
    st.binary(max_size=40),
    st.binary(min_size=1, max_size=40).map(lambda piece: piece * 400),  # several frames
    st.just(MARK + b"1 0 1 00000000 {}"),
    st.just(b"x" * 10_000),
).map(lambda payload: payload.replace(b"\n", b" "))
NOISE = st.one_of(
    st.just(b""),
    st.just(b"\r 40%|####      |"),
    st.just(b"a line\n"),
    st.just(b"\n\n"),
    st.just(MARK),
    st.just(MARK + b"1 0 1 00000000 {}\n"),
    st.just(b"\xff\xfe\x00" + MARK[:7]),
    st.binary(max_size=60).filter(lambda noise: STOCK not in noise),
)


def read(data, cuts=()):
    """Read a stream in the pieces that the cuts make; return messages and output."""
    reader, messages, output = FrameReader(), [], []
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in pairwise(places):
        more = reader.feed(data[start:end])
        messages += more[0]
        output += more[1]
    last = reader.close()
    return messages + last[0], output + last[1]


@given(st.binary(max_size=30_000).map(lambda data: data.replace(b"\n", b"")))
def test_frames_are_short_lines(payload):
    """Each frame is one line that a pipe takes at once and no log driver cuts."""
    for frame in encode_frames(1, payload):
        assert len(frame) <= FRAME_BYTES
        assert frame.startswith(b"\n" + MARK)
        assert frame.endswith(b"\n")
        assert frame.count(b"\n") == 2


@settings(deadline=None)
@given(st.lists(st.tuples(PAYLOADS, NOISE), max_size=8), st.lists(st.integers(0, 10**6)))
def test_any_splitting_and_any_noise(sequence, cuts):
    """Messages come out exactly, in order, however the stream is split and whatever lies between."""
    data = b"".join(
        noise + b"".join(encode_frames(number, payload))
        for number, (payload, noise) in enumerate(sequence, start=1)
    )
    messages, _ = read(data, cuts)

    assert messages == [payload for payload, _ in sequence]


@settings(deadline=None)
@given(st.lists(PAYLOADS, min_size=1, max_size=5), st.data())
def test_any_order_and_repeats(payloads, data):
    """Frames in another order, some of them twice: the same messages come out."""
    frames = [
        frame
        for number, payload in enumerate(payloads, start=1)
        for frame in encode_frames(number, payload)
    ]
    shuffled = data.draw(st.permutations(frames))
    repeated = data.draw(st.lists(st.sampled_from(frames), max_size=3))
    messages, output = read(b"".join([*shuffled, *repeated]))

    assert set(messages) == set(payloads)
    assert [line for line in output if line] == []


@settings(deadline=None)
@example([STOCK + b': "0.1"}'], 60)
@given(st.lists(PAYLOADS, min_size=1, max_size=4), st.integers(0, 10**6))
def test_truncated_anywhere(payloads, length):
    """Of a stream that is cut off, the messages before the cut come out, and no other."""
    data = b"".join(
        b"".join(encode_frames(number, payload)) for number, payload in enumerate(payloads, start=1)
    )
    messages, _ = read(data[: length % (len(data) + 1)])

    assert messages == payloads[: len(messages)]


@settings(deadline=None)
@given(st.lists(PAYLOADS, min_size=1, max_size=3), st.integers(0, 10**6), st.integers(1, 255))
def test_one_damaged_byte(payloads, position, change):
    """A damaged byte costs its own message at most; in the header, a number may come out wrong."""
    data = bytearray(
        b"".join(
            b"".join(encode_frames(number, payload))
            for number, payload in enumerate(payloads, start=1)
        )
    )
    data[position % len(data)] ^= change
    messages, _ = read(bytes(data))

    whole = [payload for payload in payloads if payload in messages]
    assert len(payloads) - len(whole) <= 2  # a damaged line break joins two frames


@given(st.binary(min_size=1, max_size=3000))
def test_noise_is_given_back(noise):
    """Everything that is no frame comes out as output, blank lines between apart."""
    noise = noise.replace(MARK, b"").replace(STOCK, b"")
    messages, output = read(noise)

    assert messages == []
    assert b"".join(output) == noise.replace(b"\n", b"")


def test_endless_line_is_let_go():
    """A bar that draws for hours without a line break does not fill the memory."""
    reader = FrameReader()
    bar = b"\r 40%|####      |" * 4096
    given_back = sum(len(line) for _ in range(200) for line in reader.feed(bar)[1])

    assert given_back > 190 * len(bar)
    messages, _ = reader.feed(b"".join(encode_frames(1, b"{}")))
    assert messages == [b"{}"]


def test_stock_lines_count_until_frames_come():
    """Unframed messages of a stock writer are found behind a bar; after a frame they are quotes."""
    stock = json.dumps({"__dagster_pipes_version": "0.1", "method": "closed"}).encode()
    assert read(b"\r 40%|" + stock + b"\n") == ([stock], [b"\r 40%|"])

    framed = b"".join(encode_frames(1, b"{}"))
    messages, output = read(framed + b"debug: " + stock + b"\n")
    assert messages == [b"{}"]
    assert output == [b"debug: " + stock]


def test_impossible_parts_are_noise():
    """A part outside its message is no frame, though its checksum is right."""
    frame = b"\n%s1 3 2 %08x x\n" % (MARK, zlib.crc32(b"x"))

    assert read(frame)[0] == []
