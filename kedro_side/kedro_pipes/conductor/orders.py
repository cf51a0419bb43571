"""Orders from the orchestrator, and how the workers end that they ask for.

Knows packets and processes, not what a worker does.
"""

from __future__ import annotations

import os
import resource
import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from kedro_manifest.conducting import (
    LONGEST_PACKET,
    Answer,
    Ended,
    Finish,
    Forget,
    Fork,
    Forked,
    NotForked,
    Ready,
    decode_order,
    encode_packet,
)

from kedro_pipes.guardian import tell_guardian

_OUTPUTS = 2
_POLL_S = 0.02
_MAXRSS_BYTES = 1024

ForkWorker = Callable[[Fork, list[int]], int]
"""Forks a worker with the descriptors of its output; returns its process."""


class Orders:
    """Carries out orders until the run has ended.

    Args:
        descriptor: Of the socket that they come over.
        roster: Where the guardian is told of process groups.
    """

    def __init__(self, descriptor: int, roster: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._roster = roster
        self._selector = selectors.DefaultSelector()
        self._running: dict[int, int | None] = {}
        """Workers, and the descriptor that tells of each one's end where the kernel has that."""

    def serve(self, fork: ForkWorker) -> Finish:
        """Say that the session has begun, and fork what is asked for; return how it is to end."""
        self._answer(Ready())
        self._selector.register(self._socket, selectors.EVENT_READ)
        while True:
            without_descriptor = None in self._running.values()
            self._selector.select(_POLL_S if without_descriptor else None)
            self._reap()
            if self._has_order():
                order, descriptors = self._receive()
                if isinstance(order, Finish):
                    return order
                if isinstance(order, Fork):
                    self._fork(order, descriptors, fork)
                else:
                    self._forget(order)

    def close_in_child(self) -> None:
        """Let go of all of it, in a process that has been forked."""
        self._selector.close()
        self._socket.close()
        for descriptor in self._running.values():
            if descriptor is not None:
                os.close(descriptor)

    def _has_order(self) -> bool:
        with selectors.SelectSelector() as now:
            now.register(self._socket, selectors.EVENT_READ)
            return bool(now.select(0))

    def _receive(self) -> tuple[Fork | Forget | Finish, list[int]]:
        packet, descriptors, _, _ = socket.recv_fds(self._socket, LONGEST_PACKET, _OUTPUTS)
        if not packet:
            _leave()
        return decode_order(packet), descriptors

    def _fork(self, order: Fork, descriptors: list[int], fork: ForkWorker) -> None:
        try:
            process_id = fork(order, descriptors)
        except OSError as error:
            self._answer(NotForked(number=order.number, reason=str(error)))
            return
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        self._running[process_id] = self._watch(process_id)
        self._answer(Forked(number=order.number, process_id=process_id))

    def _watch(self, process_id: int) -> int | None:
        try:
            descriptor = os.pidfd_open(process_id)
        except (AttributeError, OSError):  # an old kernel, or a container that forbids it
            return None
        self._selector.register(descriptor, selectors.EVENT_READ)
        return descriptor

    def _reap(self) -> None:
        for process_id in list(self._running):
            ended = _look_at(process_id)
            if ended is not None:
                descriptor = self._running.pop(process_id)
                if descriptor is not None:
                    self._selector.unregister(descriptor)
                    os.close(descriptor)
                self._answer(ended)

    def _forget(self, order: Forget) -> None:
        with suppress(BrokenPipeError):
            tell_guardian(self._roster, order.process_id, begins=False)

    def _answer(self, answer: Answer) -> None:
        try:
            self._socket.send(encode_packet(answer))
        except OSError:
            _leave()


def _look_at(process_id: int) -> Ended | None:
    """Return how a worker has ended, without waiting; None while it runs."""
    try:
        ended, status, usage = os.wait4(process_id, os.WNOHANG)
    except ChildProcessError:
        return Ended(process_id=process_id, status=None)
    if not ended:
        return None
    at_fork = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = usage.ru_maxrss * _MAXRSS_BYTES if usage.ru_maxrss > at_fork else None
    return Ended(process_id=process_id, status=status, peak_memory_bytes=peak)


def _leave() -> NoReturn:
    """End at once: the orchestrator is gone, or wants nothing more, and nobody is to be called."""
    os._exit(1)
