"""Say what a node's function is and where it is written.

Reads source files through `inspect`; never calls the function.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import linecache
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from kedro_manifest.model import SourceLocation


class FunctionSource(msgspec.Struct, frozen=True, kw_only=True):
    """What the manifest says of a function."""

    function: str
    doc: str | None = None
    location: SourceLocation | None = None
    hash: str | None = None
    text: str | None = None
    """As it is written, decorators included; not for the manifest."""


class SourceReader:
    """Describes functions; each one is read once, however many nodes use it.

    Args:
        project_path: Locations are relative to it; sources elsewhere have none.
    """

    def __init__(self, project_path: Path) -> None:
        self._project_path = project_path.resolve()
        self._known: dict[int, tuple[Any, FunctionSource]] = {}
        self._files: dict[str, str | None] = {}
        self._modules: dict[str, tuple[list[str], dict[int, int]]] = {}

    def read(self, function: Callable[..., Any]) -> FunctionSource:
        """Return what is known of a function, partial, lambda or callable object."""
        definition = _definition(function)
        # The definition is kept beside its id, so that the id cannot be given to another.
        if id(definition) not in self._known:
            self._known[id(definition)] = (definition, self._describe(definition))
        return self._known[id(definition)][1]

    def _describe(self, definition: Any) -> FunctionSource:
        doc = inspect.getdoc(definition)
        try:
            file, lines, line = self._find(definition)
        except (OSError, TypeError, IndexError, SyntaxError):
            # Built in, typed at a prompt, or changed on disk since it was imported.
            return FunctionSource(function=qualified_name(definition), doc=doc or None)
        path, text = self._relative_path(file), "".join(lines)
        return FunctionSource(
            function=qualified_name(definition),
            doc=doc or None,
            location=SourceLocation(path=path, line=line) if path else None,
            hash=hashlib.sha256(text.encode()).hexdigest(),
            text=text,
        )

    def _find(self, definition: Any) -> tuple[str | None, list[str], int]:
        """Return file, source lines and the first one's number.

        `inspect` splits each function into tokens; parsing each file once is far quicker.
        """
        code = getattr(definition, "__code__", None)
        if code is not None:
            first = code.co_firstlineno
            lines, ends = self._parsed(code.co_filename)
            if first in ends:
                return code.co_filename, lines[first - 1 : ends[first]], first
        lines, first = inspect.getsourcelines(definition)
        return inspect.getsourcefile(definition), lines, first

    def _parsed(self, file: str) -> tuple[list[str], dict[int, int]]:
        """Return a file's lines, and the last line of each function by its first one."""
        if file not in self._modules:
            lines = linecache.getlines(file)
            self._modules[file] = (lines, dict(_functions([ast.parse("".join(lines))])))
        return self._modules[file]

    def _relative_path(self, file: str | None) -> str | None:
        if file is None:
            return None
        if file not in self._files:
            path = Path(file).resolve()
            inside = path.is_relative_to(self._project_path) and "site-packages" not in path.parts
            self._files[file] = path.relative_to(self._project_path).as_posix() if inside else None
        return self._files[file]


def qualified_name(definition: Any) -> str:
    """Return `module:qualname`; of a callable object, its class's."""
    owner = getattr(definition, "__objclass__", None)
    module = getattr(definition, "__module__", None) or getattr(owner, "__module__", "builtins")
    return f"{module}:{getattr(definition, '__qualname__', type(definition).__qualname__)}"


def _functions(statements: Iterable[ast.AST]) -> Iterator[tuple[int, int]]:
    """Yield first and last line of every function; only statements can hold one."""
    for each in statements:
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)):
            # Python counts a function from its first decorator on.
            first = min([each.lineno, *(line.lineno for line in each.decorator_list)])
            yield first, each.end_lineno or each.lineno
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from _functions(getattr(each, block, ()))


def _definition(function: Any) -> Any:
    """Return what a person wrote: behind partials, decorators and instances."""
    while isinstance(function, partial):
        function = function.func
    if inspect.ismethod(function):
        function = function.__func__
    function = inspect.unwrap(function)
    return function if hasattr(function, "__qualname__") else type(function)
