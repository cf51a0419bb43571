"""Look up the classes that a catalog's `type`s name, where Kedro would, and make none of them.

A class of kedro-datasets is found by its name, without importing the library that it is for.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec

_PACKAGES = ("kedro.io", "kedro_datasets")
"""Where Kedro looks for a type before it takes it as the full name of a class."""


def explain_missing_type(type_name: str) -> tuple[str, list[str]] | None:
    """Say why Kedro would not find a type in this environment, and which are near; None if it would.

    Args:
        type_name: As the catalog spells it, such as `json.JSONDataset`.
    """
    module, _, name = type_name.rpartition(".")
    reason, near = "", []
    for package in (*_PACKAGES, ""):
        path = ".".join(filter(None, (package, module)))
        if not path or (package and not _is_there(path)):
            continue
        try:
            known = dir(import_module(path))
        except Exception as error:  # noqa: BLE001 - importing runs other people's code
            reason = reason or str(error).partition("\n")[0].rstrip(".")
            continue
        if name in known:
            return None
        reason = reason or f"there is no '{name}' in '{path}'"
        near += [".".join(filter(None, (module, each))) for each in get_close_matches(name, known)]
    return reason, near


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:
        return False
