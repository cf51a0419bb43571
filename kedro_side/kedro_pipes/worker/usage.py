"""Processor time and memory that a node takes, as far as its process can tell.

Processor time is that of all threads of the process, and of the processes that it has started
and waited for. Memory is the largest resident size of this one process while the node ran: on
Linux the kernel's mark is set back when a node begins; elsewhere it cannot be, and is that of
the process so far. Neither can be told apart for nodes that run at the same time. Knows no nodes.
"""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


class Usage:
    """What is used from now on."""

    def __init__(self) -> None:
        self._cpu_s = _cpu_s()
        with suppress(OSError):  # not Linux, or it may not be written
            _CLEAR.write_text(_RESET_PEAK)

    def cpu_s(self) -> float:
        """Return the seconds of processor time, user and system."""
        return _cpu_s() - self._cpu_s

    def peak_memory_bytes(self) -> int:
        """Return the largest resident size."""
        try:
            lines = _STATUS.read_text().splitlines()
        except OSError:
            lines = []
        for line in lines:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_BYTES


def _cpu_s() -> float:
    return sum(os.times()[:4])
