"""What speaks against pickling a node's output: its annotation, or what its code returns.

Reads source text and annotations; never calls the function. A doubt, not a proof: a function
may return what it does not declare.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import typing
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

_UNPICKLABLE = frozenset(
    {
        *("Iterator", "Generator", "AsyncIterator", "AsyncGenerator", "Connection", "Cursor"),
        *("Engine", "Session", "SparkSession", "IO", "TextIO", "BinaryIO", "TextIOWrapper"),
        *("Lock", "Thread", "socket", "ModuleType", "DuckDBPyConnection", "DuckDBPyRelation"),
    }
)
_FUNCTIONS = frozenset({"Callable", "FunctionType", "LambdaType"})
_PICKLES_FUNCTIONS = frozenset({"cloudpickle", "dill"})
"""Backends that pickle functions which have no name of their own."""
_UNSPOKEN = re.compile(r"\btyping\.|\bcollections\.abc\.| at 0x[0-9a-fA-F]+")
"""Also addresses: the same project gives the same text in every process."""
_MAY_TELL = re.compile(r"\blambda\b|\bfor\b|\n\s+def ")
"""Text without any of these need not be parsed."""


def doubt_output(
    function: Callable[..., Any],
    source: str | None,
    outputs: Sequence[str],
    name: str,
    backend: str,
) -> str | None:
    """Return what speaks against pickling one output of a node; None if nothing does.

    Args:
        function: The node's.
        source: Its text, where there is one to read.
        outputs: All that it writes, in order.
        name: The one that is meant.
        backend: Module that would pickle it.

    Returns:
        What follows the node's name, such as `returns a lambda`.
    """
    if inspect.isgeneratorfunction(function):
        return None  # Kedro saves its chunks, and its annotation does not tell of them.
    written = _written(function)
    if inspect.isgeneratorfunction(written):
        return "returns a generator"
    with_functions = backend in _PICKLES_FUNCTIONS
    refused = _UNPICKLABLE if with_functions else _UNPICKLABLE | _FUNCTIONS
    annotation = _spelled(_annotation_of(written, outputs, name))
    if not refused.isdisjoint(re.findall(r"\w+", annotation)):
        return f"declares to return {annotation}"
    values = _returned_values(source or "", outputs.index(name), len(outputs))
    return next(filter(None, (_doubt_value(*each, with_functions) for each in values)), None)


def _written(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what a person wrote: behind partials, decorators and callable objects."""
    while isinstance(function, partial):
        function = function.func
    function = inspect.unwrap(function)
    if inspect.isroutine(function) or isinstance(function, type):
        return function
    called: Callable[..., Any] = type(function).__call__
    return called


def _annotation_of(function: Callable[..., Any], outputs: Sequence[str], name: str) -> Any:
    try:
        annotation = typing.get_type_hints(function).get("return")
    except Exception:  # noqa: BLE001 - annotations are anybody's code; unresolved ones are text
        annotation = getattr(function, "__annotations__", {}).get("return")
    parts = typing.get_args(annotation)
    if typing.get_origin(annotation) is tuple and len(parts) == len(outputs) > 1:
        return parts[outputs.index(name)]
    return annotation


def _spelled(annotation: Any) -> str:
    if annotation is None or isinstance(annotation, str):
        return annotation or ""
    if typing.get_args(annotation) or not isinstance(annotation, type):
        return _UNSPOKEN.sub("", str(annotation))
    return annotation.__name__


def _returned_values(source: str, place: int, count: int) -> Iterator[tuple[ast.expr, set[str]]]:
    """Yield what a function returns for one of its outputs, and the functions made inside."""
    if not _MAY_TELL.search(source):
        return
    try:
        outer = ast.parse(textwrap.dedent(source)).body[0]
    except (SyntaxError, IndexError):
        return
    if not isinstance(outer, ast.FunctionDef):
        return
    statements = list(_own(outer))
    made_inside = {each.name for each in statements if isinstance(each, ast.FunctionDef)}
    for each in statements:
        value = each.value if isinstance(each, ast.Return) else None
        if isinstance(value, ast.Tuple) and len(value.elts) == count > 1:
            yield value.elts[place], made_inside
        elif value is not None and count == 1:
            yield value, made_inside


def _doubt_value(value: ast.expr, made_inside: set[str], with_functions: bool) -> str:  # noqa: FBT001 - of this module only
    """Look for a lambda, a generator expression or a function made inside."""
    if isinstance(value, ast.GeneratorExp):
        return "returns a generator"
    if with_functions:
        return ""
    if isinstance(value, ast.Lambda):
        return "returns a lambda"
    if isinstance(value, ast.Name) and value.id in made_inside:
        return f"returns the inner function {value.id}"
    return ""


def _own(outer: ast.AST) -> Iterator[ast.AST]:
    """Yield what is inside a function, but not what is inside the functions made there."""
    for each in ast.iter_child_nodes(outer):
        yield each
        if not isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            yield from _own(each)
