"""One object for equal arguments.

`Definitions.merge` takes two resources or loggers of one name for one only if they are the same
object. Knows nothing of what is shared.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

Made = TypeVar("Made")


class Shared(Generic[Made]):
    """What has been made in this process and is still in use."""

    def __init__(self) -> None:
        self._made: list[tuple[Any, weakref.ref[Made]]] = []

    def get(self, arguments: Any, make: Callable[[], Made]) -> Made:
        """Return what was made of equal arguments, or make it."""
        self._made = [(of, made) for of, made in self._made if made() is not None]
        for of, made in self._made:
            if of == arguments and (found := made()) is not None:
                return found
        new = make()
        self._made.append((arguments, weakref.ref(new)))
        return new
