"""Python objects that `dagster.yml` names as `module:name`. Knows no jobs and no Dagster."""

from __future__ import annotations

import importlib
from difflib import get_close_matches
from typing import Any

from kedro_manifest.errors import OrchestrationError


def load_object(reference: str, place: str) -> Any:
    """Import what an entry names.

    Args:
        reference: `module:name`, where the name may be dotted.
        place: Dotted keys of the entry, for errors.

    Raises:
        OrchestrationError: It has another form, the module cannot be imported, or has no such
            name; the message holds the nearest ones.
    """
    module_name, colon, path = reference.partition(":")
    if not (module_name and colon and path):
        raise OrchestrationError.at(
            place, f"expected `module:name`, got '{reference}'", "Put a colon before the name."
        )
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:
        # A module of the user's may raise anything when it is imported.
        raise OrchestrationError.at(
            place,
            f"module '{module_name}' cannot be imported: {type(error).__name__}: {error}",
            "It has to be there in Dagster's environment, not in the project's.",
        ) from error
    for name in path.split("."):
        if not hasattr(found, name):
            near = get_close_matches(name, dir(found))
            hint = f"Did you mean {', '.join(map(repr, near))}?" if near else ""
            raise OrchestrationError.at(place, f"'{module_name}' has no '{path}'", hint)
        found = getattr(found, name)
    return found


def load_instance(reference: str, kind: type, place: str) -> Any:
    """Import what an entry names, and see that it is of a type.

    Raises:
        OrchestrationError: It cannot be imported, or is something else.
    """
    found = load_object(reference, place)
    if not isinstance(found, kind):
        raise OrchestrationError.at(
            place,
            f"expected a {kind.__name__}, and '{reference}' is a {type(found).__name__}",
        )
    return found
