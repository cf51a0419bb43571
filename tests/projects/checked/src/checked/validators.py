"""Validators of the catalog; one writes down each call."""

from __future__ import annotations

from pathlib import Path

CALLS = Path("data/calls.log")


class NoNegatives:
    """Refuses negative numbers.

    Args:
        dataset: Name that is written down with each call.
    """

    def __init__(self, dataset: str) -> None:
        self._dataset = dataset

    def validate(self, data: list[int]) -> list[int]:
        """Return the data, or refuse it."""
        CALLS.parent.mkdir(exist_ok=True)
        with CALLS.open("a") as file:
            file.write(f"{self._dataset}\n")
        if negative := [number for number in data if number < 0]:
            raise ValueError(f"negative: {negative}")
        return data


def refuse_small(total: int) -> int:
    """Return a total, or refuse it."""
    if total < 100:
        raise ValueError(f"{total} is small")
    return total
