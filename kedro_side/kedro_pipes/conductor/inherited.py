"""What a worker must not share with the conductor: versions of datasets, and open connections.

Knows datasets, by what they hold, and pools of connections; loads and imports nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from kedro.io import Version

from kedro_pipes.project.catalogs import get_dataset, wrapped_dataset

_METHODS = ("exists", "glob")
"""Of file systems, that versioned datasets keep."""
_OWNER = "kedro_pipes_process"


def refresh_datasets(
    catalog: Any, names: Iterable[str], load_versions: Mapping[str, str], save_version: str
) -> None:
    """Give some datasets of an inherited catalog the versions and connections of this process.

    Args:
        catalog: Inherited.
        names: Datasets that the worker's nodes load or save.
        load_versions: What they load, by name; the latest where nothing is said.
        save_version: Under which they save.
    """
    if isinstance(getattr(catalog, "_load_versions", None), dict):
        # For what the catalog is yet to make.
        catalog._load_versions.update(load_versions)  # noqa: SLF001
        catalog._save_version = save_version  # noqa: SLF001
        for name, lazy in getattr(catalog, "_lazy_datasets", {}).items():
            lazy.load_version = load_versions.get(name, lazy.load_version)
            lazy.save_version = save_version
    for name in names:
        dataset = get_dataset(catalog, name)
        while dataset is not None:
            _set_version(dataset, load_versions.get(name), save_version)
            _connect_anew(dataset)
            dataset = wrapped_dataset(dataset)


def leave_connections() -> None:
    """Let nobody in this process use a connection that SQLAlchemy has pooled in the conductor.

    Two processes would speak over one socket. It is left open, for it is the conductor's to close.
    """
    pools: Any = sys.modules.get("sqlalchemy.pool")
    events: Any = sys.modules.get("sqlalchemy.event")
    errors: Any = sys.modules.get("sqlalchemy.exc")
    if pools is None or events is None or errors is None:
        return
    owner, left_open = os.getpid(), []

    def connect(_: Any, record: Any) -> None:
        record.info[_OWNER] = owner

    def checkout(connection: Any, record: Any, proxy: Any) -> None:
        if record.info.get(_OWNER) != owner:
            left_open.append(connection)
            record.dbapi_connection = proxy.dbapi_connection = None
            raise errors.DisconnectionError(
                "It is a connection of the process that forked this one."
            )

    events.listen(pools.QueuePool, "connect", connect)
    events.listen(pools.QueuePool, "checkout", checkout)


def _set_version(dataset: Any, load: str | None, save: str) -> None:
    if getattr(dataset, "_version", None) is None:
        return
    dataset._version = Version(load, save)  # noqa: SLF001
    # What was found in the conductor may be older than what another worker has saved.
    cache = getattr(dataset, "_version_cache", None)  # Kedro before 1.0
    if cache is not None:
        cache.clear()
    elif hasattr(dataset, "_clear_version_cache"):
        dataset._clear_version_cache()  # noqa: SLF001


def _connect_anew(dataset: Any) -> None:
    """Replace file systems that a thread of the conductor serves, which is not here."""
    asynchronous: Any = sys.modules.get("fsspec.asyn")
    if asynchronous is None:
        return
    attributes = vars(dataset)
    stale = [each for each in attributes.values() if isinstance(each, asynchronous.AsyncFileSystem)]
    for file_system in stale:
        # fsspec keeps no instances of another process.
        fresh = type(file_system)(*file_system.storage_args, **file_system.storage_options)
        methods = [(getattr(file_system, each), getattr(fresh, each)) for each in _METHODS]
        for name, held in list(attributes.items()):
            if held is file_system:
                setattr(dataset, name, fresh)
            for before, now in methods:
                if callable(held) and held == before:
                    setattr(dataset, name, now)
