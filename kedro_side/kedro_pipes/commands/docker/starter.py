"""What `kedro pipes docker init` writes: the files of the stack, with the names of a project.

Most are the same for every project; names stand in three of them. Writes nothing itself.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from kedro_manifest.errors import KedroPipesError
from kedro_manifest.model import Manifest

if TYPE_CHECKING:  # Python 3.10 has it elsewhere
    from importlib.resources.abc import Traversable

_STACK_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


class StackNameError(KedroPipesError):
    """A name that Docker does not take for what belongs to a stack.

    Cure: choose one of lower-case letters, digits, `_` and `-`.
    """


def render_stack(
    manifest: Manifest, env: str, name: str, conf: Path, project: Path
) -> dict[Path, str]:
    """Return the files of the stack by their paths.

    Args:
        manifest: The project.
        env: Kedro environment of the containers.
        name: What images, volumes and networks begin with.
        conf: The project's configuration folder.
        project: The project's folder.

    Raises:
        StackNameError: Docker does not take the name.
    """
    if not _STACK_NAME.fullmatch(name):
        raise StackNameError(
            f"Cannot name images and volumes '{name}': expected lower-case letters, digits, `_` "
            "and `-`. Pass another one as --name."
        )
    values = {
        "name": name,
        "env": env,
        "project": manifest.project.name,
        "location": manifest.project.package_name,
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "schema": Path(os.path.relpath(conf / "schema.dagster.json", conf / env)).as_posix(),
    }
    docker = project / "docker"
    return {
        **{docker / file.name: file.read_text("utf-8") for file in _same_for_all()},
        docker / ".env": _filled("docker.env", values),
        docker / "workspace.yaml": _filled("docker.workspace.yaml", values),
        docker / "secrets/postgres_password": secrets.token_urlsafe(24),
        docker / ".gitignore": "secrets/\n",
        conf / env / "dagster.yml": _filled("docker.dagster.yml", values),
        project / ".dockerignore": _filled("dockerignore", {}),
    }


def _same_for_all() -> list[Traversable]:
    folder = files("kedro_pipes") / "starter_files/docker"
    return sorted(folder.iterdir(), key=lambda file: file.name)


def _filled(name: str, values: dict[str, str]) -> str:
    text = (files("kedro_pipes") / f"starter_files/{name}.txt").read_text("utf-8")
    return Template(text).substitute(values)
