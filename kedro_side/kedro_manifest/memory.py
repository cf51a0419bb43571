"""How much memory a process has taken, and whether the kernel has killed it for that (Linux).

Reads what `/proc` and the control groups, v1 and v2, say; elsewhere it knows nothing and says so.
"""

from __future__ import annotations

from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


class OutOfMemoryWatch:
    """Counts kills in the memory control group of a process, from now on."""

    def __init__(self, process_id: int) -> None:
        self._process_id = process_id
        self._before: dict[Path, int] = {}
        self.look_again()

    def look_again(self) -> None:
        """Find the group anew: what starts a worker may have moved it since.

        Earlier groups still count: once a process is dead, the kernel shows it in another one.
        """
        counter = _counter_of(self._process_id)
        if counter is not None and counter not in self._before:
            self._before[counter] = _kills(counter)

    def has_killed(self) -> bool:
        """Tell whether the kernel has killed something in the groups since they were found."""
        return any(_kills(counter) > before for counter, before in self._before.items())


def peak_memory_bytes(process_id: int) -> int:
    """Return the largest resident size of a live process so far; 0 where that is not known.

    What `wait4` gives is no use for small programs: it starts with the size of the process that
    forked them.
    """
    try:
        lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _counter_of(process_id: int) -> Path | None:
    try:
        lines = Path(f"/proc/{process_id}/cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        names = controllers.split(",")
        place = _ROOT / "memory" if "memory" in names else _ROOT
        file = "memory.oom_control" if "memory" in names else "memory.events"
        counter = place / path.lstrip("/") / file
        if ("memory" in names or not controllers) and counter.is_file():
            return counter
    return None


def _kills(counter: Path) -> int:
    try:
        fields = dict(line.split(maxsplit=1) for line in counter.read_text().splitlines())
        return int(fields.get("oom_kill", 0))
    except (OSError, ValueError):
        return 0
