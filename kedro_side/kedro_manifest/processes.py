"""Which process of which machine has started something, and whether it is still there.

Written by the Dagster side on what it starts, read by whoever finds it later. A process's number
alone would not do: numbers are used again, and each container counts its own.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

_PROC = Path("/proc")
_STATE, _STARTED_AT = 0, 19
"""Places in `/proc/PID/stat`, after the name."""


class ProcessIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """A process that is not taken for another one, on Linux."""

    boot: str
    """Of the kernel that runs it."""
    namespace: str
    """In which its number counts."""
    number: int
    started: str
    """In ticks since the boot."""

    @classmethod
    def of_this_process(cls) -> ProcessIdentity | None:
        """Return the identity of the process that asks; None where the system has no `/proc`."""
        return cls.of(os.getpid())

    @classmethod
    def of(cls, number: int) -> ProcessIdentity | None:
        """Return the identity of a process; None if it has ended, or there is no `/proc`."""
        try:
            stat = (_PROC / str(number) / "stat").read_text().rpartition(")")[2].split()
            boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
            namespace = str((_PROC / "self/ns/pid").readlink())
        except OSError:
            return None
        if stat[_STATE] == "Z":
            return None
        return cls(boot=boot, namespace=namespace, number=number, started=stat[_STARTED_AT])

    @classmethod
    def read(cls, text: str) -> ProcessIdentity | None:
        """Return what `str` has written; None for anything else."""
        parts = text.split("/")
        if len(parts) != len(cls.__struct_fields__) or not parts[2].isdecimal():
            return None
        boot, namespace, number, started = parts
        return cls(boot=boot, namespace=namespace, number=int(number), started=started)

    def __str__(self) -> str:
        return f"{self.boot}/{self.namespace}/{self.number}/{self.started}"

    def is_alive(self) -> bool | None:
        """Tell whether the process still runs; None where that cannot be known from here."""
        here = ProcessIdentity.of_this_process()
        if here is None or (here.boot, here.namespace) != (self.boot, self.namespace):
            return None
        return ProcessIdentity.of(self.number) == self
