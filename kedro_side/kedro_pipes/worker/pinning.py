"""Versions to load of datasets that only a catch-all factory describes.

Kedro refuses `load_versions` for such a name (kedro 1.7, `DataCatalog.from_config`), so the
name gets an entry of its own first: what the factory would have made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import CatalogConfigResolver

_MEMORY = {"type": "kedro.io.MemoryDataset"}


class PinnedEntriesHook:
    """Gives pinned datasets of a catch-all factory entries of their own."""

    def __init__(self, pinned: Mapping[str, str]) -> None:
        self._pinned = pinned

    @hook_impl(trylast=True)
    def after_context_created(self, context: Any) -> None:
        """Add the entries, after every other hook has changed the configuration."""
        if not self._pinned:
            return
        config = context.config_loader["catalog"]
        entries = entries_from_catch_all(config, self._pinned)
        if entries:
            context.config_loader["catalog"] = {**config, **entries}


def entries_from_catch_all(config: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the entry of each name that no entry and no other factory describes."""
    if not hasattr(CatalogConfigResolver, "match_user_catch_all_pattern"):
        return {}  # Kedro before 1.0 takes them all
    # Stubs: a resolver wants the credentials of every real entry.
    patterns = _resolver(dict.fromkeys(config, _MEMORY))
    found = {}
    for name in names:
        if name not in config and not patterns.match_dataset_pattern(name):
            pattern = patterns.match_user_catch_all_pattern(name)
            if pattern is not None:
                found[name] = _filled(config[pattern], pattern, name)
    return found


def _filled(entry: Mapping[str, Any], pattern: str, name: str) -> dict[str, Any]:
    bare = {key: value for key, value in entry.items() if key != "credentials"}
    credentials = {"credentials": entry["credentials"]} if "credentials" in entry else {}
    return {**_resolver({pattern: bare}).resolve_pattern(name), **credentials}


def _resolver(config: dict[str, Any]) -> CatalogConfigResolver:
    return CatalogConfigResolver(config=config, default_runtime_patterns={"{default}": _MEMORY})
