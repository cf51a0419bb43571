"""The project's configuration, through its own config loader; and where its files are.

Says which folder cannot be read; knows nothing of what the parts mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kedro.config import AbstractConfigLoader, MissingConfigException
from kedro_manifest.errors import KedroPipesError

from kedro_pipes.project.loading import first_line

_ENDS = frozenset({".yml", ".yaml", ".json"})


class ConfigurationError(KedroPipesError):
    """The project's configuration cannot be read; the cause is chained.

    Cure: repair the file that the message names, or pass `--conf-source`.
    """


def read_config(
    loader: AbstractConfigLoader, key: str, *, required: bool = False
) -> dict[str, Any]:
    """Return one part of the configuration; empty where there is none and none is required.

    Raises:
        ConfigurationError: It cannot be read.
    """
    try:
        return dict(loader[key])
    except MissingConfigException as error:
        if not required:
            return {}
        raise _configuration_error(key, loader, error) from error
    except Exception as error:
        raise _configuration_error(key, loader, error) from error


def configuration_folders(loader: Any, env: str | None) -> Iterator[Path]:
    """Yield the folders that a loader reads, the environment's last; none of an archive."""
    source = Path(str(loader.conf_source))
    names = (getattr(loader, "base_env", None), env or getattr(loader, "default_run_env", None))
    # Both may be the folder itself, in a project without environments.
    folders = dict.fromkeys(source / str(name) for name in names if name is not None)
    yield from (folder for folder in folders if folder.is_dir())


def configuration_files(loader: Any, env: str | None, patterns: Iterable[str]) -> list[Path]:
    """Return the files that a loader reads for some patterns, the environment's last."""
    found: list[Path] = []
    for folder in configuration_folders(loader, env):
        matching = {path for pattern in patterns for path in folder.glob(pattern)}
        inside = {file for path in matching if path.is_dir() for file in path.rglob("*")}
        found += sorted(file for file in matching | inside if file.suffix in _ENDS)
    return found


def relative_path(file: Path, folder: Path) -> str:
    """Return a file as seen from the project, or as it is where it lies elsewhere."""
    return str(file.relative_to(folder) if file.is_relative_to(folder) else file)


def _configuration_error(
    key: str, loader: AbstractConfigLoader, error: Exception
) -> ConfigurationError:
    return ConfigurationError(
        f"Cannot read the {key} configuration in '{loader.conf_source}': "
        f"{first_line(error)}. Repair it, or name another place with "
        "`--conf-source`, or another environment with `--env`."
    )
