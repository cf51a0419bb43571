"""A manifest's parameters as the tree that a user writes in YAML. Pure.

The manifest lists them by dotted names. A key may hold a dot itself or be an integer, which JSON
and Dagster's configuration cannot spell, so the tree keeps what each key really is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from kedro_manifest.model import Manifest, Parameter


class Branch(msgspec.Struct, frozen=True):
    """One parameter: a leaf, or a mapping of others."""

    parameter: Parameter
    children: dict[str, Branch]
    """By key, integer keys spelt as text."""
    runtime_only: bool = False
    """Whether only `${runtime_params:NAME}` in the configuration speaks of it: anything may be
    given for it."""


def parameter_tree(parameters: Iterable[Parameter]) -> dict[str, Branch]:
    """Return the top-level parameters with all that is below them."""
    tree: dict[str, Branch] = {}
    mappings: dict[str, Branch] = {}
    for parameter in sorted(parameters, key=lambda each: each.name):
        branch = Branch(parameter, {})
        parent, key = _split(parameter.name, mappings)
        (mappings[parent].children if parent else tree)[key] = branch
        if parameter.type == "object":
            mappings[parameter.name] = branch
    return tree


def settable_tree(manifest: Manifest) -> dict[str, Branch]:
    """Return the project's parameters, and what else may be given to a run.

    What lies below a parameter that takes anything, or that is no mapping, is no branch of its
    own.
    """
    tree = parameter_tree(manifest.parameters)
    for name in manifest.runtime_parameters:
        *above, last = name.split(".")
        children = _mapping_at(tree, above)
        if children is not None:
            leaf = Parameter(name=name, type="other")
            children.setdefault(last, Branch(leaf, {}, runtime_only=True))
    return tree


def _mapping_at(tree: dict[str, Branch], keys: list[str]) -> dict[str, Branch] | None:
    """Return what is below some keys, made if need be; None where anything may stand there."""
    children = tree
    for number, key in enumerate(keys, start=1):
        made = Parameter(name=".".join(keys[:number]), type="object")
        branch = children.setdefault(key, Branch(made, {}, runtime_only=True))
        takes_anything = not (branch.children or branch.runtime_only)
        if branch.parameter.type != "object" or takes_anything:
            return None
        children = branch.children
    return children


def without_defaults(values: Mapping[str, Any], tree: Mapping[str, Branch]) -> dict[str, Any]:
    """Return the values that are not what the manifest has anyway."""
    changed: dict[str, Any] = {}
    for key, value in values.items():
        branch = tree.get(key)
        if branch is None:
            changed[key] = value
        elif branch.parameter.type == "object" and branch.children and isinstance(value, Mapping):
            if inner := without_defaults(value, branch.children):
                changed[key] = inner
        elif value != branch.parameter.value or _is_hidden(branch.parameter):
            changed[key] = value
    return changed


def integer_keys(
    values: Mapping[Any, Any], tree: Mapping[str, Branch], above: tuple[str, ...] = ()
) -> Iterator[list[str]]:
    """Yield the path of each value whose key is an integer in the project, keys as text."""
    for key, value in values.items():
        branch = tree.get(str(key))
        if branch is None:
            continue
        path = (*above, str(key))
        if branch.parameter.integer_key:
            yield list(path)
        if isinstance(value, Mapping):
            yield from integer_keys(value, branch.children, path)


def restore_integer_keys(values: Mapping[str, Any], paths: Iterable[list[str]]) -> dict[str, Any]:
    """Return values that came as JSON with the keys at these paths made integers again."""
    return _restored(values, {tuple(path) for path in paths}, ())


def _restored(
    values: Mapping[str, Any], paths: set[tuple[str, ...]], above: tuple[str, ...]
) -> dict[Any, Any]:
    restored: dict[Any, Any] = {}
    for key, value in values.items():
        path = (*above, key)
        inner = _restored(value, paths, path) if isinstance(value, Mapping) else value
        restored[int(key) if path in paths else key] = inner
    return restored


def _split(name: str, mappings: Mapping[str, Branch]) -> tuple[str, str]:
    """Split a dotted name after the longest mapping that it can be in."""
    end = name.rfind(".")
    while end > 0:
        if name[:end] in mappings:
            return name[:end], name[end + 1 :]
        end = name.rfind(".", 0, end)
    return "", name


def _is_hidden(parameter: Parameter) -> bool:
    """A manifest without a value says null; what a user gives is then never the default."""
    return parameter.value is None and parameter.type != "null"
