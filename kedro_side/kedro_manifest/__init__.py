"""The contract between the Kedro side and the Dagster side: data, and pure functions on it.

Nothing here knows either framework; the only dependency is msgspec. Both sides may import
everything; this package imports neither of them.
"""

__version__ = "0.1.0"
