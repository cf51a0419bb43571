"""Datasets of the project's own."""

from pathlib import Path

from kedro.io import AbstractDataset


class WordsDataset(AbstractDataset[str, list[str]]):
    """Saves text, loads its words: another type than was saved."""

    def __init__(self, filepath):
        self._path = Path(filepath)

    def load(self):
        """Return the words of the file."""
        return self._path.read_text().split()

    def save(self, data):
        """Write text."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(data)

    def _describe(self):
        return {"filepath": str(self._path)}
