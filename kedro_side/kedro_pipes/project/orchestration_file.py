"""`dagster.yml`: read with the project's own loader, made public, and found again in its files.

What its keys mean is the types' business (`kedro_manifest.orchestration`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml
from kedro.config import AbstractConfigLoader
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration.annotations import alternatives
from kedro_manifest.orchestration.root import Orchestration, read_orchestration
from kedro_manifest.orchestration.shapes import is_mapping, item_types, keys_of

from kedro_pipes.project.configuration import (
    ConfigurationError,
    configuration_files,
    read_config,
    relative_path,
)
from kedro_pipes.project.redaction import REDACTED, public_json
from kedro_pipes.project.secret_references import names_a_secret

FILE = "dagster.yml"
PATTERNS = ["dagster*", "dagster*/**", "**/dagster*"]
"""Where the config loader finds the file, in the way of Kedro's own patterns."""

_WRITTEN_KEYS: dict[Any, str] = {True: "on", False: "off"}
"""YAML takes these words for truth values, and `retries` has a key `on`."""


class Ineffective(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that does not do what was meant by it."""

    place: str
    reason: str
    cure: str

    def __str__(self) -> str:
        """Return two sentences for a person; the value is no part of them."""
        return f"{FILE}: {self.place} {self.reason}. {self.cure}"


def read_file(loader: AbstractConfigLoader) -> dict[str, Any]:
    """Read `dagster.yml`, environments and interpolation resolved; empty where there is none.

    Raises:
        ConfigurationError: It cannot be read.
    """
    patterns = getattr(loader, "config_patterns", None)
    if patterns is not None:
        patterns.setdefault("dagster", PATTERNS)
    try:
        config = read_config(loader, "dagster")
    except ConfigurationError as error:
        # A loader of the project's own, without patterns, may say as it likes that it has none.
        if patterns is None and isinstance(error.__cause__, (KeyError, FileNotFoundError)):
            return {}
        raise
    own = {key: value for key, value in config.items() if not str(key).startswith("_")}
    return {str(key): value for key, value in _as_written(own).items()}


def read_blocked_plugins(loader: AbstractConfigLoader) -> list[str]:
    """Read what no session may register, before there is one: a plugin that breaks would break it.

    A file that cannot be read yet, for want of a resolver that a hook registers, blocks nothing;
    what is wrong with it is said when it is read as a whole.
    """
    try:
        blocked = read_file(loader).get("blocked_plugins")
    except Exception:  # noqa: BLE001 - loaders and resolvers are anybody's code
        return []
    return [str(name) for name in blocked] if isinstance(blocked, list) else []


_PLACES = ("clients", "groups")
"""Rooms whose entries may name Secrets of Kubernetes."""


def make_public(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what may leave the project: no value under a secret-looking key, no password.

    The names of jobs, datasets and the like are no such keys: `refresh_tokens` is a good job.
    """
    return {
        room: {
            str(name): public_json(entry, names_a_secret if room in _PLACES else None)
            for name, entry in entries.items()
        }
        if isinstance(entries, Mapping) and room in _rooms_by_name()
        else public_json({room: entries}).get(room)
        for room, entries in content.items()
    }


def find_ineffective(
    written: Mapping[str, Any], public: Mapping[str, Any]
) -> Iterator[Ineffective]:
    """Yield what is not exported as it was written, and what nobody reads."""
    if written.get("dev"):
        yield Ineffective(
            place="dev",
            reason="has no effect",
            cure="Give its entries to `dagster dev` as options, and take it out.",
        )
    yield from _find_left_out(written, public)


def _find_left_out(written: Any, public: Any, keys: tuple[str, ...] = ()) -> Iterator[Ineffective]:
    """Compare what was read with what is exported, and yield what is not as it was."""
    if isinstance(written, Mapping) and isinstance(public, Mapping):
        for key, inner in written.items():
            if str(key) in public:
                yield from _find_left_out(inner, public[str(key)], (*keys, str(key)))
            else:
                yield _left_out((*keys, str(key)))
    elif isinstance(written, (list, tuple)) and isinstance(public, list):
        for index, (inner, kept) in enumerate(zip(written, public, strict=True)):
            yield from _find_left_out(inner, kept, (*keys, str(index)))
    elif isinstance(public, str) and REDACTED in public and REDACTED not in str(written):
        yield _left_out(keys)


def refuse_wrong(public: dict[str, Any], loader: Any, env: str | None, project: Path) -> None:
    """Judge the file by its types.

    Raises:
        OrchestrationError: An entry is wrong; the message names its file and line.
    """
    try:
        read_orchestration(public)
    except OrchestrationError as error:
        raise error.in_file(locate(error.place, loader, env, project)) from error


def locate(place: str, loader: Any, env: str | None, project: Path) -> str:
    """Return the file and line of an entry, or as much as can be known of them.

    Args:
        place: Dotted keys; names with dots in them may be among these.
        loader: The project's own.
        env: Kedro environment.
        project: Files below it are named as seen from there.
    """
    patterns = (getattr(loader, "config_patterns", None) or {}).get("dagster", PATTERNS)
    found = [
        (*_find_line(file, place), file) for file in configuration_files(loader, env, patterns)
    ]
    # The environment's file comes last, and its entry is the one that counts.
    best = max(range(len(found)), key=lambda index: (found[index][0], index), default=None)
    if best is None:
        return FILE
    depth, line, file = found[best]
    if not depth and len(found) > 1:
        return f"{FILE} ({', '.join(relative_path(each, project) for *_, each in found)})"
    return relative_path(file, project) + (f":{line}" if depth else "")


def _rooms_by_name() -> set[str]:
    """Return the keys of the file beneath which the user's own names stand."""
    return {
        room
        for room, field in keys_of(Orchestration).items()
        for each in alternatives(field.type)
        if is_mapping(each) and Any not in item_types(each)
    }


def _as_written(value: Any) -> Any:
    if isinstance(value, Mapping):
        # `1` is equal to `True`, and is a key of its own.
        return {
            _WRITTEN_KEYS[key] if isinstance(key, bool) else key: _as_written(inner)
            for key, inner in value.items()
        }
    return [_as_written(inner) for inner in value] if isinstance(value, list) else value


def _left_out(keys: tuple[str, ...]) -> Ineffective:
    if keys[-2:-1] == ("env",):
        cure = (
            f"Give it to the process that Dagster runs in, and add `pass_env: [{keys[-1]}]` to the "
            f"client under `clients`."
        )
    elif "parameters" in keys:
        cure = "Let the project read it from its credentials or environment instead."
    else:
        cure = "Write `{env: NAME}` as its value, with the variable that Dagster's side has it in."
    reason = "looks like a secret and is not exported"
    return Ineffective(place=".".join(keys), reason=reason, cure=cure)


def _find_line(file: Path, place: str) -> tuple[int, int]:
    """Return how much of a dotted place a file has, in characters, and the line of the last key."""
    try:
        node = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeError, yaml.YAMLError):
        return 0, 0
    rest, line = place, 0
    while rest and (step := _step(node, rest)):
        key, line, node = step
        rest = rest[len(key) + 1 :]
    return len(place) - len(rest), line


def _step(node: Any, rest: str) -> tuple[str, int, Any] | None:
    """Return the longest key that a dotted rest begins with, its line, and what is beneath it."""
    steps: list[tuple[str, int, Any]] = []
    if isinstance(node, yaml.MappingNode):
        steps = [(key.value, key.start_mark.line + 1, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        steps = [
            (str(index), item.start_mark.line + 1, item) for index, item in enumerate(node.value)
        ]
    fitting = [each for each in steps if f"{rest}.".startswith(f"{each[0]}.")]
    return max(fitting, key=lambda each: len(each[0]), default=None)
