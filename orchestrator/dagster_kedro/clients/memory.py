"""Whether the kernel has killed a process of a control group for want of memory (Linux).

Reads the counters that cgroup v1 and v2 keep; elsewhere it knows nothing and says so.
"""

from __future__ import annotations

from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


class OutOfMemoryWatch:
    """Counts kills in the memory control group of a process, from now on."""

    def __init__(self, process_id: int) -> None:
        self._process_id = process_id
        self._counter: Path | None = None
        self._before = 0
        self.look_again()

    def look_again(self) -> None:
        """Find the group anew: what starts a worker may have moved it since."""
        counter = _counter_of(self._process_id)
        if counter is not None and counter != self._counter:
            self._counter, self._before = counter, _kills(counter)

    def has_killed(self) -> bool:
        """Tell whether the kernel has killed something in the group since it was found."""
        return self._counter is not None and _kills(self._counter) > self._before


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
