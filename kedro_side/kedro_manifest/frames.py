"""Messages on a stream that others write to as well: cut into frames, found again, checked.

A frame is one line, short enough that a pipe takes it whole and no log driver cuts it:

    ::kedro-pipes:1 <message number> <part> <parts> <crc32 of the payload> <payload>

It begins with a line break, so that a progress bar without one cannot touch it. What is no
frame, or is a damaged one, is the node's own output: the message's number then stays missing,
and the reader of the messages says so.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

MARK = b"::kedro-pipes:1 "
FRAME_BYTES = 4096
"""Longest frame with both line breaks: what POSIX lets a pipe take at once (`PIPE_BUF`)."""

_HEADER_BYTES = 80
_PAYLOAD_BYTES = FRAME_BYTES - _HEADER_BYTES
_LONGEST_NOISE_BYTES = 256 * 1024
_FIELDS = 4
_STOCK_MESSAGE = b'{"__dagster_pipes_version"'


def encode_frames(number: int, payload: bytes) -> Iterator[bytes]:
    """Yield the frames of one message, each to be written at once.

    Args:
        number: The message's number in its stream.
        payload: The message without line breaks, as JSON has it.
    """
    parts = max(1, -(-len(payload) // _PAYLOAD_BYTES))
    for part in range(parts):
        piece = payload[part * _PAYLOAD_BYTES : (part + 1) * _PAYLOAD_BYTES]
        header = b"%d %d %d %08x " % (number, part, parts, zlib.crc32(piece))
        yield b"\n" + MARK + header + piece + b"\n"


class FrameReader:
    """Finds messages in a stream, however it is split, and gives back everything else.

    `feed` returns two lists: message lines, and lines of output. Lines of a stock Pipes writer,
    which are not framed, count as messages too, unless frames have come: then they are quoted.
    """

    def __init__(self) -> None:
        self._partial: list[bytes] = []
        self._partial_bytes = 0
        self._parts: dict[int, dict[int, bytes]] = {}
        self._framed = False
        self._blank_held = False

    def feed(self, data: bytes) -> tuple[list[bytes], list[bytes]]:
        """Take the next bytes of the stream."""
        first, *rest = data.split(b"\n")
        self._keep(first)
        if rest:
            lines = [b"".join(self._partial), *rest[:-1]]
            self._partial, self._partial_bytes = [], 0
            self._keep(rest[-1])
            return self._sort(lines)
        if self._partial_bytes > _LONGEST_NOISE_BYTES and self._is_noise():
            return self.close()
        return [], []

    def close(self) -> tuple[list[bytes], list[bytes]]:
        """Take the last line, which may lack its line break."""
        line, self._partial, self._partial_bytes = b"".join(self._partial), [], 0
        return self._sort([line] if line else [])

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._partial.append(piece)
            self._partial_bytes += len(piece)

    def _is_noise(self) -> bool:
        """Tell whether a line without an end is no message, so that none of it need be kept."""
        if len(self._partial) > 1:
            self._partial = [b"".join(self._partial)]
        return self._framed or _STOCK_MESSAGE not in self._partial[0]

    def _sort(self, lines: list[bytes]) -> tuple[list[bytes], list[bytes]]:
        messages: list[bytes] = []
        output: list[bytes] = []
        for line in lines:
            before, mark, frame = line.partition(MARK)
            framed = self._take_frame(frame) if mark else None
            if framed is not None:
                self._blank_held = False
                self._framed = True
                if before:
                    output.append(before)
                messages += framed
            elif not (mark or self._framed) and _STOCK_MESSAGE in line:
                # A progress bar may stand before it, for want of a line break.
                bar, stock, message = line.partition(_STOCK_MESSAGE)
                messages.append(stock + message)
                output += [bar] if bar else []
            else:
                # The blank line that may be the beginning of a frame is held back for one line.
                if self._blank_held:
                    output.append(b"")
                self._blank_held = not line
                if line:
                    output.append(line)
        return messages, output

    def _take_frame(self, frame: bytes) -> list[bytes] | None:
        """Return the message that a frame completes, nothing yet, or None if it is damaged."""
        *fields, payload = frame.split(b" ", _FIELDS)
        try:
            number, part, parts = map(int, fields[:3])
            intact = len(fields) == _FIELDS and int(fields[3], 16) == zlib.crc32(payload)
        except ValueError:
            return None
        if not (intact and 0 <= part < parts):
            return None
        have = self._parts.setdefault(number, {})
        have[part] = payload
        if len(have) < parts:
            return []
        del self._parts[number]
        return [b"".join(have[index] for index in sorted(have))]
