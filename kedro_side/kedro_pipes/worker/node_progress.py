"""What is known of a node that has begun: its phase, its clocks, what it has in hand and uses.

Knows time and names, not what is reported of them. Safe to use from several threads: with
`is_async` a node's datasets are loaded and saved at the same time.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from kedro.pipeline.node import Node

from kedro_pipes.worker.usage import Usage


class NodeProgress:
    """A node that has begun.

    Args:
        node: The node.
        alone: Whether no other one runs in this process meanwhile.
    """

    def __init__(self, node: Node, *, alone: bool) -> None:
        self.node = node
        self.usage = Usage() if alone else None
        """What it uses; None where others would be counted with it."""
        self.phase = "load"
        self.spent_s = {"load": 0.0, "compute": 0.0, "save": 0.0}
        self.unsaved_chunks: dict[str, tuple[Any, float]] = {}
        """The last chunk of each output of a generator node, and the seconds of all of them."""
        self.partitions: dict[str, set[str]] = {}
        """Ids of what was saved of each PartitionedDataset."""
        self._clocks: dict[tuple[str, str | None], float] = {}
        self._busy_since_s: dict[str, float] = {}
        self._lock = threading.Lock()

    def enter(self, phase: str, dataset: str | None = None) -> None:
        """Start a clock."""
        with self._lock:
            now_s = time.perf_counter()
            self.phase = phase
            self._clocks[phase, dataset] = now_s
            self._busy_since_s.setdefault(phase, now_s)

    def leave(self, phase: str, dataset: str | None = None) -> float:
        """Stop a clock; return its seconds. Those that several clocks share are spent once."""
        with self._lock:
            now_s = time.perf_counter()
            began_s = self._clocks.pop((phase, dataset), now_s)
            if not any(other == phase for other, _ in self._clocks):
                self.spent_s[phase] += now_s - self._busy_since_s.pop(phase, now_s)
            return now_s - began_s

    def in_hand(self) -> list[str]:
        """Return the datasets of the present phase that are begun and not done, in order."""
        with self._lock:
            found = {name for phase, name in self._clocks if phase == self.phase and name}
        return [name for name in (*self.node.inputs, *self.node.outputs) if name in found]
