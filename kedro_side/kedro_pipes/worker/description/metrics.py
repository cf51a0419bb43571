"""The numbers in data that is saved as JSON or YAML, each under a name of its own.

Dagster draws a number that comes with every materialization over time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from numbers import Real
from typing import Any

from kedro_pipes.project.redaction import is_secret_key

MOST_NUMBERS = 100
MOST_DEPTH = 5


def numbers_in(data: Any) -> dict[str, float]:
    """Return the numbers in nested mappings by dotted name; none of a list, of which none is known."""
    return dict(islice(_numbers(data, (), MOST_DEPTH), MOST_NUMBERS))


def _numbers(data: Any, path: tuple[str, ...], depth: int) -> Iterator[tuple[str, float]]:
    if isinstance(data, Mapping):
        if depth:
            for name, inner in islice(data.items(), 10 * MOST_NUMBERS):
                if not is_secret_key(str(name), inner):
                    yield from _numbers(inner, (*path, str(name)), depth - 1)
    elif path and isinstance(data, Real) and data is not True and data is not False:
        yield ".".join(path), float(data)
