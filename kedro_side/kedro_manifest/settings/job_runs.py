"""Whether what a job gives its runs fits the project: parameters and versions to load. Pure.

As strict as the Launchpad, which is made from the same manifest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kedro_manifest.errors import OrchestrationError
from kedro_manifest.model import Manifest
from kedro_manifest.names import strip_transcoding
from kedro_manifest.orchestration.factories import NamedJob
from kedro_manifest.parameter_tree import Branch, settable_tree

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def wrong_settings(manifest: Manifest, named: NamedJob) -> Iterator[OrchestrationError]:
    """Yield what is wrong with the parameters and versions of a job's runs."""
    place = f"{named.place}.parameters"
    yield from _wrong_parameters(named.job.parameters, settable_tree(manifest), place)
    versioned = versioned_datasets(manifest)
    for dataset in named.job.load_versions:
        if dataset not in versioned:
            where = f"{named.place}.load_versions.{dataset}"
            yield OrchestrationError.unknown(where, "versioned dataset", dataset, versioned)


def versioned_datasets(manifest: Manifest) -> list[str]:
    """Return the datasets that have versions; a transcoded one may be named in either form."""
    full = {each.name for each in manifest.datasets if each.versioned}
    return sorted(full | {strip_transcoding(name) for name in full})


def _wrong_parameters(
    values: Mapping[Any, Any], tree: Mapping[str, Branch], place: str
) -> Iterator[OrchestrationError]:
    for key, value in values.items():
        branch = tree.get(str(key))
        here = f"{place}.{key}"
        if branch is None:
            yield OrchestrationError.unknown(here, "parameter", str(key), tree)
        elif branch.children and isinstance(value, Mapping):
            yield from _wrong_parameters(value, branch.children, here)
        elif branch.children or not _fits(value, branch.parameter.type):
            expected = "object" if branch.children else branch.parameter.type
            yield OrchestrationError.at(
                here, f"expected {expected}, got {value!r}", _cure(expected, value)
            )


def _cure(expected: str, value: Any) -> str:
    if expected == "integer" and isinstance(value, float):
        return "Write its default in the project's parameters with a decimal point to allow that."
    return ""


def _fits(value: Any, kind: str) -> bool:
    """Tell whether a value is of a type of JSON Schema; null may stand for any, as in Kedro."""
    if value is None or kind not in _TYPES:
        return True
    if isinstance(value, bool):  # which Python takes for a number
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])
