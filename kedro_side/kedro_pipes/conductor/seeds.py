"""Random generators across a fork: each worker draws its own numbers, unless somebody has seeded.

Without a seed, every process has random numbers of its own; a copy of the conductor's generator would
draw the same ones in each. A seed that a hook has set is meant for all nodes, as under `kedro run`.
"""

from __future__ import annotations

import random
import sys
from typing import Any

_MOST_BLOCKS = 200
_BLOCK = 624
_BITS = 32


class Seeds:
    """Remembers the state of generators before the project is loaded."""

    def __init__(self) -> None:
        self._before = random.getstate()
        self._kept: Any = None

    def keep(self) -> None:
        """Find out what has been seeded since, before the first fork."""
        now = random.getstate()
        if now != self._before and not _follows(now, self._before):
            self._kept = now

    def restore(self) -> None:
        """Give a forked process generators of its own, but for what was seeded."""
        # Python seeds its own generator anew when a process is forked.
        if self._kept is not None:
            random.setstate(self._kept)
        generator = _numpy_generator()
        # Which forgets where its seed came from once somebody has given it one.
        if generator is not None and generator._bit_generator._seed_seq is not None:  # noqa: SLF001
            generator.seed()


def _follows(now: Any, before: Any) -> bool:
    """Tell whether a state is reached by drawing numbers only: then nobody has seeded."""
    generator = random.Random()  # noqa: S311 - no secret depends on it
    generator.setstate(before)
    for _ in range(_MOST_BLOCKS):
        if generator.getstate()[1][:-1] == now[1][:-1]:
            return True
        generator.getrandbits(_BITS * _BLOCK)
    return False


def _numpy_generator() -> Any:
    module: Any = sys.modules.get("numpy.random.mtrand")
    return getattr(module, "_rand", None)
