"""What lies around a project: variables that its configuration reads, and what images leave out.

Reads text only: resolves nothing, and shows no value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from kedro_manifest.preflight.placed import Surroundings, Variable

from kedro_pipes.project.configuration import configuration_files, relative_path

_VARIABLE = re.compile(r"\$\{oc\.env:\s*([A-Za-z_]\w*)\s*\}")
"""Without a default, as OmegaConf spells it."""
_ALL = ("**/*",)


def look_around(loader: Any, env: str | None, project: Path) -> Surroundings:
    """Return what containers of a project may miss.

    Args:
        loader: The project's own.
        env: Kedro environment; None for the project's default.
        project: The project's folder.
    """
    local = _local_folder(loader, env)
    files = configuration_files(loader, env, _ALL)
    return Surroundings(
        project_path=str(project),
        variables=list(_variables(files, project)),
        local_folder=relative_path(local, project) if local else None,
        local_files=[
            relative_path(file, project) for file in files if local and file.is_relative_to(local)
        ],
        is_folder_left_out=local is not None and _is_left_out(local, project),
    )


def _local_folder(loader: Any, env: str | None) -> Path | None:
    """Return the folder of the project's default environment, if that is what is run."""
    default = getattr(loader, "default_run_env", None)
    if not default or default == getattr(loader, "base_env", None) or env not in (None, default):
        return None
    folder = Path(str(loader.conf_source)) / str(default)
    return folder if folder.is_dir() else None


def _variables(files: list[Path], project: Path) -> Iterator[Variable]:
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        found = _VARIABLE.findall(_values(text)) if _VARIABLE.search(text) else []
        for name in dict.fromkeys(found):
            yield Variable(name=name, file=relative_path(file, project))


def _values(text: str) -> str:
    """Return the values of a file, without its comments."""
    try:
        tokens = list(yaml.scan(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError:
        return ""  # Whoever reads it says so.
    return "\n".join(str(each.value) for each in tokens if isinstance(each, yaml.ScalarToken))


def _is_left_out(folder: Path, project: Path) -> bool:
    """Tell whether `.dockerignore` leaves out a folder itself, or one above it."""
    ignored = project / ".dockerignore"
    if not ignored.is_file() or not folder.is_relative_to(project):
        return False
    path = folder.relative_to(project)
    whole = {each.as_posix() for each in (path, *path.parents)} | {f"**/{path.name}"}
    lines = [line.strip() for line in ignored.read_text(encoding="utf-8").splitlines()]
    patterns = [line.removeprefix("./").strip("/") for line in lines]
    kept = any(line.startswith(f"!{path.as_posix()}") for line in lines)
    return not kept and not whole.isdisjoint(patterns)
