"""What is said to a worker's supervisor on another host, and what it answers.

A supervisor starts one worker, ends it with all that it has started, and tells how it ended: SSH
alone tells neither a signal from an error of its own, nor a host that a connection is gone. It reads
a `Start` as one line of JSON, and single bytes after it. It answers in frames, as messages travel;
`Ready` on its standard error, since frames on the output would say that all messages are framed.
"""

from __future__ import annotations

import shlex
from typing import Any

import msgspec

ANSWER_NUMBER = 0
"""Number of an answer's frame; messages have theirs from 1."""

ALIVE = b"-"
"""A sign of life, now and then; without it the worker is ended."""
STOP = b"s"
"""End the worker, politely at first."""

_ANSWER_BEGINS = b'{"supervisor":'


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be started, and how."""

    command: list[str]
    variables: dict[str, str]
    """Its environment, besides that of a login on the host."""
    context: dict[str, Any]
    """The Pipes context."""
    messages: dict[str, Any]
    """Parameters of Pipes for its messages."""
    grace_s: float
    """Seconds between asking it to stop and killing it."""
    silence_s: float
    """Seconds without a sign of life after which it is ended."""


class _Answer(msgspec.Struct, frozen=True, kw_only=True, tag_field="supervisor", tag=True):
    pass


class Ready(_Answer, frozen=True, kw_only=True):
    """The supervisor waits to be told what to start; nothing has been started so far."""

    version: str
    """Of the package."""


class Started(_Answer, frozen=True, kw_only=True):
    """The worker runs."""

    process_id: int


class NotStarted(_Answer, frozen=True, kw_only=True):
    """The worker cannot be started."""

    reason: str


class Ended(_Answer, frozen=True, kw_only=True):
    """The worker has ended, and nothing of its process group is left."""

    code: int
    """Exit code; below 0 the signal that ended it."""
    out_of_memory: bool = False
    """Whether the kernel has killed something of it for want of memory."""
    peak_memory_bytes: int | None = None


Answer = Ready | Started | NotStarted | Ended

_STARTS = msgspec.json.Decoder(Start)
_ANSWERS = msgspec.json.Decoder(Answer)


def shell_word(path: str) -> str:
    """Return a path for a shell; `~/` at its beginning stays what it means."""
    return f"~/{shlex.quote(path[2:])}" if path.startswith("~/") else shlex.quote(path)


def encode_start(start: Start) -> bytes:
    """Return the line that tells what to start."""
    return msgspec.json.encode(start) + b"\n"


def decode_start(line: bytes) -> Start:
    """Return what is to be started.

    Raises:
        msgspec.MsgspecError: The line does not say so.
    """
    return _STARTS.decode(line)


def encode_answer(answer: Answer) -> bytes:
    """Return an answer as JSON."""
    return msgspec.json.encode(answer)


def decode_answer(line: bytes) -> Answer | None:
    """Return the answer that a line is; None for a worker's message.

    Raises:
        msgspec.MsgspecError: It is an answer of some other version.
    """
    if not line.startswith(_ANSWER_BEGINS):
        return None
    answer: Answer = _ANSWERS.decode(line)
    return answer
