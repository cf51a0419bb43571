"""Which entries of `dagster.yml` name a Secret of Kubernetes, and hold none. Pure.

By the key and by the exact shape of what stands under it: whatever else stands there stays a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_FIELDS = {
    "secret": {"secret_name", "default_mode", "optional", "items"},
    "secret_ref": {"name", "optional"},
    "secret_key_ref": {"name", "key", "optional"},
}
_LISTS = {"env_secrets", "image_pull_secrets"}
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def names_a_secret(key: str, value: Any) -> bool:
    """Tell whether an entry refers to a Secret, in Kubernetes's spelling or in Python's."""
    key = _snake(key)
    if key in _LISTS:
        return isinstance(value, list) and all(_is_name(_name_of(each)) for each in value)
    if key in _FIELDS:
        return isinstance(value, Mapping) and {_snake(str(each)) for each in value} <= _FIELDS[key]
    return key == "secret_name" and _is_name(value)


def _name_of(entry: Any) -> Any:
    """Return the name in `{name: …}`, as Kubernetes has it, or the entry."""
    return entry["name"] if isinstance(entry, Mapping) and list(entry) == ["name"] else entry


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _snake(key: str) -> str:
    return _CAPITAL.sub("_", key).lower()
