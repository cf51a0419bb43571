"""A catalog that wraps what it saves."""

from kedro.io import DataCatalog


class CountingCatalog(DataCatalog):
    """Numbers what it saves, in the order of saving."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.saved = []

    def save(self, name, data):
        """Save, and remember the name."""
        self.saved.append(name)
        super().save(name, data)

    def load(self, name, version=None):
        """Load; what is named `shouted` is loaded in capitals."""
        data = super().load(name, version)
        return data.upper() if name.startswith("shouted") else data
