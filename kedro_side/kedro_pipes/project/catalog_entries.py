"""Describe datasets from the catalog's configuration, without making or loading one.

Each entry is cut down to an allow-list before anything is resolved, so that credentials and
arguments are never even seen here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from kedro.io import CatalogConfigResolver
from kedro_manifest.model import Dataset, DatasetKind
from parse import Parser  # type: ignore[import-untyped]
from parse import compile as compile_pattern

from kedro_pipes.project.redaction import public_json, redact_uri
from kedro_pipes.project.validators import allowed_validator, describe_validator

MEMORY_TYPE = "MemoryDataset"
_ALLOWED_KEYS = ("type", "filepath", "path", "versioned", "overwrite", "metadata", "layer")
_CREDENTIALS_NAME = "credentials_name"
_NAMES_A_RUN = "names_a_run"
_MEMORY_TYPES = frozenset({"MemoryDataset", "SharedMemoryDataset"})
_PARTITIONED = re.compile(r"Partitioned|Incremental")
_OF_ACTIVE_RUN = re.compile(r"kedro_mlflow\.io\.(metrics\b|models\b.*MlflowModelTrackingDataset$)")
"""Types of kedro-mlflow that load from the MLflow run that is active, unless another is named."""
_TABLE = re.compile(r"SQL|Table|Hive|JDBC|GBQ|Query")
_PROTOCOL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)(?:://|::)")


class CatalogEntries:
    """The catalog's entries and factories, ready to describe any dataset by its name.

    Args:
        catalog_config: What the config loader resolved, credentials still by name.
    """

    def __init__(self, catalog_config: Mapping[str, Any]) -> None:
        allowed = {name: _allowed(entry) for name, entry in catalog_config.items()}
        resolver = _make_resolver(allowed)
        self._explicit = resolver.config
        # In Kedro's own order of preference; its runtime default is not the project's. Compiled
        # once: the resolver's `resolve_pattern` parses each name again for every pattern and
        # value, which takes longer than all else in a large project.
        self._patterns: list[tuple[str, Parser, Any]] = [
            (pattern, compile_pattern(pattern), allowed[pattern])
            for pattern in resolver.list_patterns()
            if pattern in allowed
        ]
        self._ephemeral: dict[str, bool] = {}

    def describe(self, names: Iterable[str]) -> list[Dataset]:
        """Return the named datasets, sorted."""
        return [self._dataset(name) for name in sorted(set(names))]

    def describe_as(self, name: str, entry: Mapping[str, Any]) -> Dataset:
        """Return a dataset that has another entry than the catalog's, allow-listed by the caller."""
        return self._from_entry(name, entry, None)

    def _dataset(self, name: str) -> Dataset:
        if name in self._explicit:
            return self._from_entry(name, self._explicit[name], None)
        for pattern, parser, entry in self._patterns:
            if match := parser.parse(name):
                return self._from_entry(name, _fill(entry, match.named), pattern)
        return Dataset(name=name, type=MEMORY_TYPE, kind="memory")

    def _from_entry(self, name: str, entry: Mapping[str, Any], pattern: str | None) -> Dataset:
        stored = _stored(entry)
        location = stored.get("filepath") or stored.get("path")
        uri = redact_uri(str(location)) if location else None
        kind = self._kind(stored)
        metadata = entry.get("metadata")
        metadata = public_json(metadata) if isinstance(metadata, Mapping) else {}
        return Dataset(
            name=name,
            type=type_name(entry.get("type")),
            kind=kind,
            uri=uri,
            protocol=_protocol(uri) if uri else None,
            versioned=entry.get("versioned") is True or stored.get("versioned") is True,
            of_process=_is_of_process(entry),
            overwrite=stored.get("overwrite") is True and kind == "partitioned",
            pattern=pattern,
            layer=_layer(entry, metadata),
            metadata=metadata,
            validator=describe_validator(name, entry.get("validator")),
            credentials=entry.get(_CREDENTIALS_NAME) or _inner(entry).get(_CREDENTIALS_NAME),
        )

    def _kind(self, entry: Mapping[str, Any]) -> DatasetKind:
        full_name = type_name(entry.get("type"))
        short_name = full_name.rpartition(".")[2]
        if short_name in _MEMORY_TYPES or self._is_ephemeral(full_name):
            return "memory"
        if _PARTITIONED.search(short_name):
            return "partitioned"
        if _TABLE.search(short_name):
            return "table"
        return "file" if entry.get("filepath") or entry.get("path") else "other"

    def _is_ephemeral(self, full_name: str) -> bool:
        """Tell whether a class of the project's own keeps its data in memory only."""
        if full_name not in self._ephemeral:
            dataset_class = None if _is_stock(full_name) else _import_class(full_name)
            self._ephemeral[full_name] = bool(getattr(dataset_class, "_EPHEMERAL", False))
        return self._ephemeral[full_name]


def inline_credentials(catalog_config: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the credentials that stand in the catalog itself instead of under a name."""
    for key, value in catalog_config.items():
        if key == "credentials" and not isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from inline_credentials(value)


def type_name(configured: Any) -> str:
    """Return a dataset's type as the catalog spells it; hooks may have put a class there."""
    if isinstance(configured, type):
        return f"{configured.__module__}.{configured.__qualname__}"
    return str(configured or "")


def _allowed(entry: Any) -> Any:
    """Copy what may be known of an entry; what is no entry is left for Kedro to refuse."""
    if not isinstance(entry, Mapping):
        return entry
    allowed = {key: entry[key] for key in _ALLOWED_KEYS if key in entry}
    if "validator" in entry:
        allowed["validator"] = allowed_validator(entry["validator"])
    if isinstance(entry.get("credentials"), str):
        allowed[_CREDENTIALS_NAME] = entry["credentials"]
    load_args = entry.get("load_args")
    if entry.get("run_id") or (isinstance(load_args, Mapping) and load_args.get("model_uri")):
        allowed[_NAMES_A_RUN] = True
    if "dataset" in entry:
        inner = entry["dataset"]
        allowed["dataset"] = _allowed(inner) if isinstance(inner, Mapping) else {"type": inner}
    return allowed


def _fill(config: Any, named: Mapping[str, Any]) -> Any:
    """Put the parts of a name into a factory's entry, as the resolver does."""
    if isinstance(config, Mapping):
        return {key: _fill(value, named) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [_fill(value, named) for value in config]
    return config.format_map(named) if isinstance(config, str) and "}" in config else config


def _inner(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = entry.get("dataset")
    return inner if isinstance(inner, Mapping) else {}


def _stored(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the entry that persists: a cache says it is ephemeral, but what it wraps stays."""
    while type_name(entry.get("type")).rpartition(".")[2] == "CachedDataset" and _inner(entry):
        entry = _inner(entry)
    return entry


def _is_of_process(entry: Mapping[str, Any]) -> bool:
    """Tell whether only the process that has saved a dataset finds it again."""
    is_bound = _OF_ACTIVE_RUN.match(type_name(entry.get("type"))) is not None
    return is_bound and not entry.get(_NAMES_A_RUN)


def _layer(entry: Mapping[str, Any], metadata: Mapping[str, Any]) -> str | None:
    viz = metadata.get("kedro-viz")
    layer = viz.get("layer") if isinstance(viz, Mapping) else None
    layer = layer or metadata.get("layer") or entry.get("layer")
    return layer if isinstance(layer, str) else None


def _protocol(uri: str) -> str:
    match = _PROTOCOL.match(uri)
    return match[1].lower() if match else "file"


def _is_stock(full_name: str) -> bool:
    """Tell whether Kedro would find a type in its own packages, without importing it."""
    package = full_name.partition(".")[0]
    if package == full_name or package in {"kedro", "kedro_datasets"}:
        return True
    if find_spec("kedro_datasets") is None:
        return False
    return find_spec(f"kedro_datasets.{package}") is not None


def _import_class(full_name: str) -> Any:
    """Import a class; None where that fails: an export must not need every library."""
    module, _, name = full_name.rpartition(".")
    try:
        return getattr(import_module(module), name, None)
    except Exception:  # Importing runs other people's code, which may raise anything.
        logging.getLogger(__name__).debug("Cannot import '%s'", full_name, exc_info=True)
        return None


def _make_resolver(config: dict[str, Any]) -> CatalogConfigResolver:
    try:
        # The default is named, because Kedro warns where it is not.
        return CatalogConfigResolver(
            config=config,
            default_runtime_patterns={"{default}": {"type": "kedro.io.MemoryDataset"}},
        )
    except TypeError:  # Kedro before 1.0
        return CatalogConfigResolver(config=config)
