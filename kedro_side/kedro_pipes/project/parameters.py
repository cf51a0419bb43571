"""Flatten a project's parameters into dotted names, types and default values.

Works on the resolved configuration; knows neither catalog nor pipelines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kedro_manifest.model import Parameter, ParameterType

from kedro_pipes.project.redaction import is_json_scalar, is_secret_key, public_json, stable_text


def describe_parameters(parameters: Mapping[str, Any], *, values: bool) -> list[Parameter]:
    """Return every parameter and every mapping of parameters, sorted by name.

    Args:
        parameters: What the config loader resolved, runtime parameters merged in.
        values: False leaves the default values out. Secret-looking names never have one.
    """
    found = {parameter.name: parameter for parameter in _flatten(parameters, "", values=values)}
    return [found[name] for name in sorted(found)]


def _flatten(parameters: Mapping[str, Any], prefix: str, *, values: bool) -> Iterator[Parameter]:
    for key, value in parameters.items():
        name = f"{prefix}{key}"
        shown = values and not is_secret_key(str(key), value)
        yield _parameter(name, key, value, values=shown)
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{name}.", values=shown)


def _parameter(name: str, key: Any, value: Any, *, values: bool) -> Parameter:
    kind = _type_of(value)
    public = None
    if values and kind != "object":
        public = stable_text(value) if kind == "other" else public_json(value)
    return Parameter(name=name, type=kind, value=public, integer_key=type(key) is int)


def _type_of(value: Any) -> ParameterType:
    if isinstance(value, Mapping):
        return "object"
    if isinstance(value, (list, tuple)):
        return "array"
    if not is_json_scalar(value):
        return "other"
    # A bool is an int to Python, so it has to be asked first.
    kinds: dict[type, ParameterType] = {
        bool: "boolean",
        int: "integer",
        float: "number",
        str: "string",
        type(None): "null",
    }
    return next(name for kind, name in kinds.items() if isinstance(value, kind))
