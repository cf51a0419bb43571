"""What the catalog's `metadata:` says of how an asset looks, in the words of `assets`. Pure.

Everything that can stand under a pattern of `assets` can stand under `metadata: {dagster: …}` of
one entry. `dagster.yml`, which is made for one deployment, has the last word.
"""

from __future__ import annotations

from typing import Any

import msgspec

from kedro_manifest.errors import OrchestrationError
from kedro_manifest.model import Dataset
from kedro_manifest.orchestration.automation import AssetSettings
from kedro_manifest.orchestration.diagnosis import diagnose
from kedro_manifest.settings.assets import problems_of

CATALOG = "the catalog"
_OURS = "dagster"
_OF_WORKER = {"preview"}
"""Keys that the worker acts on."""
_BESIDE = ("group_name",)
"""Keys of kedro-dagster, which stand beside ours."""


def settings_in_catalog(dataset: Dataset | None) -> AssetSettings:
    """Return what the catalog says of a dataset's asset.

    Raises:
        OrchestrationError: A wrong type or value, or an unknown key; the message names its place.
    """
    said = dataset.metadata if dataset is not None else {}
    if dataset is None or not said:
        return AssetSettings()
    place = f"{dataset.name}.metadata.{_OURS}"
    raw: dict[str, Any] = {key: said[key] for key in _BESIDE if isinstance(said.get(key), str)}
    ours = said.get(_OURS)
    if ours is not None and not isinstance(ours, dict):
        hint = "Write what may stand under a pattern of `assets`, or `preview`."
        raise OrchestrationError.at(place, "expected a mapping", hint, CATALOG)
    preview = (ours or {}).get("preview")
    if preview is not None and not isinstance(preview, bool):
        hint = "Write `true` or `false`."
        raise OrchestrationError.at(f"{place}.preview", f"got {preview!r}", hint, CATALOG)
    raw |= {key: value for key, value in (ours or {}).items() if key not in _OF_WORKER}
    if not raw:
        return AssetSettings()
    try:
        settings = msgspec.convert(raw, AssetSettings)
    except msgspec.ValidationError as error:
        found = diagnose(error, raw, AssetSettings)
        where = f"{place}.{found.place}" if found.place else place
        raise OrchestrationError.at(where, found.message, found.hint, CATALOG) from error
    for field, problem, hint in problems_of(settings):
        raise OrchestrationError.at(f"{place}.{field}", problem, hint, CATALOG)
    return settings
