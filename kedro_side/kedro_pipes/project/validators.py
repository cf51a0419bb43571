"""The catalog's `validator:` entries, as Kedro reads them. Makes no validator and runs none.

The options of a validator are never looked at: they may hold anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kedro.io import DatasetError
from kedro_manifest.errors import KedroPipesError
from kedro_manifest.model import Validator

_ALLOWED_KEYS = ("class", "on", "severity", "enabled", "skip_load_after_save")


class ValidatorEntryError(KedroPipesError):
    """A `validator:` of the catalog is one that Kedro would refuse; its reason is chained.

    Cure: repair the entry of the dataset that the message names.
    """


def allowed_validator(entry: Any) -> Any:
    """Copy what may be known of an entry; what is no mapping is left for Kedro to judge."""
    if not isinstance(entry, Mapping):
        return entry
    # YAML reads a bare `on` as true, which Kedro takes for `on` as well.
    named = {"on" if key is True else key: value for key, value in entry.items()}
    return {key: named[key] for key in _ALLOWED_KEYS if key in named}


def describe_validator(dataset: str, entry: Any) -> Validator | None:
    """Return an entry as Kedro reads it; None if it names none or one that is not enabled.

    Raises:
        ValidatorEntryError: Kedro would refuse it when it makes the dataset.
    """
    if entry is None:
        return None
    try:
        # Kedro, too, imports it only where a dataset has a validator.
        from kedro.validation import ValidatorSpec  # noqa: PLC0415
    except ImportError:  # Kedro before 1.6, to which the key is an argument of the dataset
        return None
    try:
        spec = ValidatorSpec.from_dataset_config(dataset, entry)
    except DatasetError as error:
        raise ValidatorEntryError(
            f"Cannot export dataset '{dataset}': {error} Repair its entry in the catalog."
        ) from error
    if not spec.enabled:
        return None
    return Validator(
        class_path=spec.class_path,
        on=list(spec.on),  # type: ignore[arg-type]
        severity=spec.severity,  # type: ignore[arg-type]
        skip_load_after_save=spec.skip_load_after_save,
    )
