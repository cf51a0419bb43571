"""Which partition of a PartitionedDataset stands for which key, both ways. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import Formatter

DIMENSION_SEPARATOR = "|"
"""Between the keys of several dimensions, which Dagster sorts by the dimensions' names."""
_KEY = "key"


class PartitionIds:
    """A pattern such as `flights_{key}`, or `{key_region}/{key_day}` of several dimensions.

    Args:
        pattern: The pattern.
        dimensions: Names of the dimensions; none where there is one only.

    Raises:
        ValueError: It does not tell every key from any other.
    """

    def __init__(self, pattern: str, dimensions: Sequence[str] = ()) -> None:
        self._pattern = pattern
        self._dimensions = sorted(dimensions)
        parts = list(Formatter().parse(pattern))
        fields = [field for _, field, _, _ in parts if field is not None]
        every = [f"{_KEY}_{dimension}" for dimension in self._dimensions]
        whole, by_dimension = _KEY in fields, bool(every) and set(every) <= set(fields)
        if not (whole or by_dimension) or not set(fields) <= {_KEY, *every}:
            expected = " or ".join(
                ["`{key}`", *([" and ".join(f"`{{{name}}}`" for name in every)] if every else [])]
            )
            raise ValueError(f"expected a pattern with {expected}, got '{pattern}'")
        self._is_whole = whole
        # A dimension may be called what no group of an expression can be.
        self._groups = {field: f"field_{number}" for number, field in enumerate(fields)}
        self._regex = re.compile(_expression(parts, self._groups))

    def id_of(self, key: str) -> str:
        """Return the partition that stands for a key."""
        return self._pattern.format_map({_KEY: key, **self._named(key)})

    def key_of(self, partition_id: str) -> str | None:
        """Return the key that a partition stands for, if it is one; None if it cannot be."""
        match = self._regex.fullmatch(partition_id)
        if match is None:
            return None
        if self._is_whole:
            return match[self._groups[_KEY]]
        groups = [self._groups[f"{_KEY}_{dimension}"] for dimension in self._dimensions]
        parts = [match[group] for group in groups]
        return DIMENSION_SEPARATOR.join(parts)

    def _named(self, key: str) -> Mapping[str, str]:
        by_dimension = keys_by_dimension(key, self._dimensions)
        return {f"{_KEY}_{dimension}": part for dimension, part in by_dimension.items()}


def keys_by_dimension(key: str, dimensions: Sequence[str]) -> dict[str, str]:
    """Return the parts of a key of several dimensions; nothing where there is one only."""
    parts = key.split(DIMENSION_SEPARATOR) if dimensions else []
    return dict(zip(sorted(dimensions), parts, strict=True))


def _expression(
    parts: Sequence[tuple[str, str | None, str | None, str | None]], groups: Mapping[str, str]
) -> str:
    expression, seen = "", set()
    for text, field, _, _ in parts:
        expression += re.escape(text)
        if field is not None:
            group = groups[field]
            expression += f"(?P={group})" if group in seen else f"(?P<{group}>.+)"
            seen.add(group)
    return expression
