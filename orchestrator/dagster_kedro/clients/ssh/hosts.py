"""A pool of hosts with so many places each, which all processes of a user on this machine share.

Knows names of hosts only.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_POLL_S = 0.1
_AVOIDED_S = 60.0

_down_since: dict[str, float] = {}
"""When a host was last found to be out of reach."""
_connecting: dict[str, threading.Semaphore] = {}
_AT_ONCE = 4
"""Connections to a host that are being made at a time: its server refuses some of more than 10."""


class HostPool:
    """Gives a worker a place on the host where the fewest are.

    Args:
        hosts: Names of hosts.
        most: Workers at a time on each; 0 for any number.
    """

    def __init__(self, hosts: Sequence[str], most: int) -> None:
        self._hosts = hosts
        self._most = most

    @contextmanager
    def place(
        self, is_unwanted: Callable[[], bool], without: Collection[str] = ()
    ) -> Iterator[str | None]:
        """Yield a host that has a free place, which is taken until this is left.

        Args:
            is_unwanted: Tells whether nobody waits for a place any more: None is yielded then.
            without: Hosts that are not to be chosen.
        """
        hosts = [host for host in self._hosts if host not in without]
        taken = None
        while hosts and taken is None and not is_unwanted():
            taken = self._take(hosts)
            if taken is None:
                time.sleep(_POLL_S)
        if taken is None:
            yield None
            return
        host, lock = taken
        try:
            yield host
        finally:
            lock.release()

    def _take(self, hosts: Sequence[str]) -> tuple[str, FileLock] | None:
        now = time.monotonic()
        avoided = {host for host in hosts if now < _down_since.get(host, -_AVOIDED_S) + _AVOIDED_S}
        up = [host for host in hosts if host not in avoided]
        for some in (up, sorted(avoided)):
            for number in range(self._most) if self._most else itertools.count() if some else ():
                for host in some:
                    # The kernel lets go of it with the process, whatever ends that.
                    lock = FileLock(_place_file(host, number), timeout=0, thread_local=False)
                    try:
                        lock.acquire()
                    except Timeout:
                        continue
                    return host, lock
        return None


def avoid(host: str) -> None:
    """Remember that a host is out of reach, so that others come first for a while."""
    _down_since[host] = time.monotonic()


def connecting(host: str) -> threading.Semaphore:
    """Return what to hold while a connection to a host is being made."""
    return _connecting.setdefault(host, threading.Semaphore(_AT_ONCE))


def _place_file(host: str, number: int) -> Path:
    folder = Path(tempfile.gettempdir()) / f"kedro-pipes-hosts-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{hashlib.sha256(host.encode()).hexdigest()[:16]}.{number}"
