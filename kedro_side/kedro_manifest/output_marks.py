"""Marks in a worker's output that tell whose each line is, and whether it was told already.

A mark stands before a piece of text, a terminator after it, within one line:

    SOH kp:<kind>:<message number>:<node> STX <text> ETX

`out` is what Python code printed, `log` the copy of a log record that went out as a message, and
`now` says whose unmarked output is from there on: that of native code and of subprocesses. The
number is that of the last message that was sent before. Whoever asks for marks takes them out
again. Knows bytes and names only.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

Kind = Literal["out", "log", "now"]

_MARK = re.compile(rb"\x01kp:(out|log|now):(\d+):([^\x02\n]*)\x02([^\x03\n]*)\x03?")
_MARK_BEGINS = b"\x01kp:"
_UNSAFE = str.maketrans({"\x01": "", "\x02": "", "\x03": "", "\n": " "})
_END = "\x03"


def mark(kind: Kind, number: int, node: str, text: str = "") -> str:
    """Return text with a mark around it; each of several lines has its own."""
    begin = f"\x01kp:{kind}:{number}:{node.translate(_UNSAFE)}\x02"
    *lines, last = text.replace(_END, "").split("\n")
    # A blank line that was printed needs no mark; one in a log record is no output of its own.
    marked = [f"{begin}{line}{_END}" if line or kind == "log" else "" for line in lines]
    marked.append(f"{begin}{last}{_END}" if last or not lines else "")
    return "\n".join(marked)


class MarkedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of output without its marks."""

    text: str
    """All of it."""
    untold: str | None
    """What has not been told as a message; None if nothing is left."""
    node: str | None
    """Whose it is, where that is known."""
    after: int
    """Number of the last message that was sent before it."""


class MarkReader:
    """Takes the marks out of the lines of one stream."""

    def __init__(self) -> None:
        self._node = ""
        self._after = 0

    def read(self, line: bytes) -> list[MarkedLine]:
        """Return a line without its marks; several, where several nodes have written in it."""
        if _MARK_BEGINS not in line:
            return [_Pieces(self._node).line(self._after, line)]
        found: list[MarkedLine] = []
        pieces, rest = _Pieces(self._node), 0
        for piece in _MARK.finditer(line):
            pieces.add("out", line[rest : piece.start()])
            rest = piece.end()
            kind, node = piece[1].decode(), piece[3].decode(errors="replace")
            if kind == "now":
                self._node = node
            owner = node or self._node
            if owner != pieces.owner:
                if pieces.has_any:
                    found.append(pieces.line(self._after))
                pieces = _Pieces(owner)
            pieces.add(kind, piece[4])
            self._after = max(self._after, int(piece[2]))
        if pieces.has_any or line[rest:]:
            found.append(pieces.line(self._after, line[rest:]))
        return found


class _Pieces:
    """What one node's part of a line is made of."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.has_any = False
        self._all = b""
        self._untold = b""
        self._is_told = False

    def add(self, kind: str, text: bytes) -> None:
        self._all += text
        self._untold += text if kind == "out" else b""
        self._is_told |= kind == "log"
        self.has_any |= bool(text) or kind == "log"

    def line(self, after: int, last: bytes = b"") -> MarkedLine:
        self.add("out", last)
        told = self._is_told and not self._untold
        return MarkedLine(
            text=self._all.decode(errors="replace"),
            untold=None if told else self._untold.decode(errors="replace"),
            node=self.owner or None,
            after=after,
        )
