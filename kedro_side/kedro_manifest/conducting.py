"""What a conductor is ordered to do, and what it answers: one packet of JSON each.

A conductor is one process in the Kedro environment that holds a real session over all nodes of a
run and forks a worker for each group. Orders come and answers go over a socket that keeps packets
apart; with an order to fork come the descriptors of the worker's output.
"""

from __future__ import annotations

import msgspec

from kedro_manifest.invocation import RunError

ORDERS_VARIABLE = "KEDRO_PIPES_ORDERS_FD"
"""Descriptor of the socket, which makes a worker a conductor."""
LONGEST_PACKET = 64 * 1024


class Fork(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Fork a worker. Two descriptors come with it: of its standard output and error."""

    number: int
    """Of the order, for its answer."""
    variables: dict[str, str]
    """Those by which a worker finds its Pipes context and where its messages go."""


class Forget(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Nothing is left of a worker's process group, so that nobody has to end it."""

    process_id: int


class Finish(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """All groups have ended: end the session as Kedro does, with all that it calls."""

    error: RunError | None = None
    """Why the run failed; None if it succeeded."""
    remove_staged: list[str] = []
    """Folders of staged datasets to remove after a success."""


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The session has begun its run: orders are carried out from now on."""


class Forked(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A worker has been forked, and leads a process group of its own."""

    number: int
    process_id: int


class NotForked(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A worker could not be forked."""

    number: int
    reason: str


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A worker has ended."""

    process_id: int
    status: int | None
    """As `wait` has it; None if other code in the conductor has waited for it."""
    peak_memory_bytes: int | None = None
    """Largest resident size of its process, where it was larger than the conductor."""


Order = Fork | Forget | Finish
Answer = Ready | Forked | NotForked | Ended

_ORDERS = msgspec.json.Decoder(Order)
_ANSWERS = msgspec.json.Decoder(Answer)


def encode_packet(said: Order | Answer) -> bytes:
    """Return the packet that says something."""
    return msgspec.json.encode(said)


def decode_order(packet: bytes) -> Order:
    """Return the order in a packet.

    Raises:
        msgspec.MsgspecError: It is none.
    """
    order: Order = _ORDERS.decode(packet)
    return order


def decode_answer(packet: bytes) -> Answer:
    """Return the answer in a packet.

    Raises:
        msgspec.MsgspecError: It is none.
    """
    answer: Answer = _ANSWERS.decode(packet)
    return answer
