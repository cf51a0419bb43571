"""What Dagster keeps of an asset's data, code and inputs in the tags of a materialization.

Of a result it fills these tags in by itself. It cannot do so for a fact that is no result of the
step, and must not where the data was made before, by what may have been other code.
"""

from __future__ import annotations

from typing import Any

import dagster as dg

_DATA_VERSION = "dagster/data_version"
_IS_GIVEN = "dagster/data_version_is_user_provided"
_MADE_OF = ("dagster/code_version", _DATA_VERSION, "dagster/input_")


def version_tags(version: str | None) -> dict[str, str]:
    """Return the tags of a materialization that has a version."""
    return {} if version is None else {_DATA_VERSION: version, _IS_GIVEN: "true"}


def as_it_was(materialization: dg.AssetMaterialization | None) -> dict[str, Any]:
    """Return what a result takes, for data that has not been made again, to say so."""
    tags = (materialization.tags if materialization is not None else None) or {}
    if _DATA_VERSION not in tags:
        return {}
    return {
        "data_version": dg.DataVersion(tags[_DATA_VERSION]),
        "tags": {name: value for name, value in tags.items() if name.startswith(_MADE_OF)},
    }
