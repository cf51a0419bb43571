"""File names of the stack, where dynaconf asks for the source of every frame to learn them.

Kedro's settings are dynaconf's, which looks at the stack four times while it loads them: a tenth of
what Kedro takes to start, most of it for lines of source that it throws away. Knows dynaconf's two
modules that look, and nothing of the project.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

_LOOKING = ("dynaconf.loaders.py_loader", "dynaconf.utils.files")


class _ShallowInspect:
    """The module `inspect`, but that a stack has no source unless that is asked for."""

    stack = functools.partial(inspect.stack, 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(inspect, name)


@contextmanager
def shallow_stacks() -> Iterator[None]:
    """Spare dynaconf the source; where it is another version, it looks as ever."""
    modules = [module for name in _LOOKING if (module := _looking(name)) is not None]
    for module in modules:
        vars(module)["inspect"] = _ShallowInspect()
    try:
        yield
    finally:
        for module in modules:
            vars(module)["inspect"] = inspect


def _looking(name: str) -> ModuleType | None:
    with suppress(ImportError):
        module = importlib.import_module(name)
        if vars(module).get("inspect") is inspect:
            return module
    return None
