"""What is doubted of a node's outputs before anything runs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator, Iterator
from typing import Annotated

import pytest
from kedro_pipes.project.picklability import doubt_output


def rows() -> Iterator[int]:
    return iter([1])


def model_and_rule() -> tuple[dict[str, float], Callable[[int], bool]]:
    return {}, bool


def rule():
    return lambda number: number > 1


def squares():
    return (number**2 for number in range(3))


def inner():
    def check(number):
        return lambda: number

    return check


def value_of_lambda():
    return sorted([2, 1], key=lambda number: -number)


def table_and_rule(table):
    if not table:
        return table, None
    return table, lambda row: row in table


def chunks() -> Generator[int, None, None]:
    yield 1


def annotated() -> Annotated[Callable[[], None], object()]:
    return print


class Filter:
    def __call__(self) -> Iterator[int]:
        """Return rows."""
        return iter([1])


@functools.wraps(chunks)
def wrapped():
    return chunks()


def doubt(function, outputs=("out",), name="out", backend="pickle"):
    try:
        source = inspect.getsource(inspect.unwrap(getattr(function, "func", function)))
    except TypeError:
        source = None
    return doubt_output(function, source, list(outputs), name, backend)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (rows, "declares to return Iterator[int]"),
        (functools.partial(rows), "declares to return Iterator[int]"),
        (Filter(), "declares to return Iterator[int]"),
        (rule, "returns a lambda"),
        (squares, "returns a generator"),
        (inner, "returns the inner function check"),
        (wrapped, "returns a generator"),
        (value_of_lambda, None),
        (chunks, None),
        (annotated, "declares to return Callable[[], None]"),
        (len, None),
    ],
)
def test_one_output(function, expected):
    """Annotation or code may tell; chunks of a generator node are values like others."""
    assert expected == doubt(function)


@pytest.mark.parametrize(
    ("function", "expected"),
    [(model_and_rule, [None, "Callable"]), (table_and_rule, [None, "lambda"])],
)
def test_each_of_several_outputs(function, expected):
    """Of several outputs only the one that is doubtful is doubted."""
    found = [doubt(function, ("first", "second"), name) for name in ("first", "second")]

    assert expected[0] is found[0]
    assert expected[1] in found[1]


@pytest.mark.parametrize("function", [rule, inner])
def test_cloudpickle_takes_functions(function):
    """What only pickle refuses is no doubt under a backend that takes it."""
    assert doubt(function, backend="cloudpickle") is None


def test_cloudpickle_takes_no_generators():
    """Nothing pickles a generator."""
    assert "returns a generator" == doubt(squares, backend="cloudpickle")
