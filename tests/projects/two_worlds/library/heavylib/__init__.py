"""Stands for a large library that only some environments have."""

from kedro_datasets.text import TextDataset


class HeavyDataset(TextDataset):
    """A dataset of the large library."""


def weigh(number):
    """Return a weight."""
    return f"{number} kg"
