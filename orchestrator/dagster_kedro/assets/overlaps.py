"""Whether two multi-assets of one project make the same assets.

Dagster refuses to load both, and names the key only. Definition time only.
"""

from __future__ import annotations

import warnings
import weakref

import dagster as dg

from dagster_kedro.project import KedroProject

_SHOWN_KEYS = 3

_MADE: weakref.WeakKeyDictionary[KedroProject, list[weakref.ref[dg.AssetsDefinition]]] = (
    weakref.WeakKeyDictionary()
)
"""What has been made of each project and is still there."""


def warn_of_overlaps(project: KedroProject, made: dg.AssetsDefinition) -> None:
    """Warn of an earlier multi-asset of a project that makes some of the same assets.

    No error: nobody knows here whether both will be in the same `Definitions`.
    """
    earlier = [other for each in _MADE.get(project, []) if (other := each()) is not None]
    for other in earlier:
        shared = sorted(key.to_user_string() for key in made.keys & other.keys)
        if shared:
            more = f" and {len(shared) - _SHOWN_KEYS} more" if len(shared) > _SHOWN_KEYS else ""
            warnings.warn(
                f"Ops '{other.op.name}' and '{made.op.name}' both make "
                f"{', '.join(map(repr, shared[:_SHOWN_KEYS]))}{more}: Dagster does not load them "
                "together. Narrow one of them with `pipelines`, `select` or `exclude`.",
                stacklevel=3,
            )
    _MADE[project] = [weakref.ref(each) for each in (*earlier, made)]
