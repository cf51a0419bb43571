"""What `dg scaffold defs dagster_kedro.KedroProjectComponent` writes."""

import os
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import BaseModel, Field, field_validator

ROOT = "{{ context.project_root }}"


class KedroScaffoldParams(BaseModel):
    """Options of the command."""

    project_path: str = Field(description="The folder of the Kedro project.")
    python: str | None = Field(
        default=None,
        description="Interpreter of the Kedro project's environment. Default: its `.venv`.",
    )
    env: str | None = Field(default=None, description="Kedro environment.")
    key_prefix: str | None = Field(
        default=None, description="Put before asset keys and job names, to tell projects apart."
    )

    @field_validator("project_path")
    @classmethod
    def _is_a_project(cls, path: str) -> str:
        """Refused here, the folder of definitions is not made yet; a second try finds it free."""
        if not (Path(path) / "pyproject.toml").is_file():
            raise ValueError(
                f"'{Path(path).absolute()}' holds no pyproject.toml. Name the folder of the Kedro "
                "project, from the working directory."
            )
        return path


class KedroProjectScaffolder(dg.Scaffolder[KedroScaffoldParams]):
    """Writes a `defs.yaml` whose paths hold on other machines too."""

    @classmethod
    def get_scaffold_params(cls) -> type[KedroScaffoldParams]:
        """Return the options of the command."""
        return KedroScaffoldParams

    def scaffold(self, request: dg.ScaffoldRequest[KedroScaffoldParams]) -> None:
        """Write the file."""
        params = request.params
        root = request.project_root or Path.cwd()
        folder = _from(root, params.project_path)
        more = params.model_dump(exclude={"project_path", "python"}, exclude_none=True)
        if params.python is not None:
            more["python"] = _from(root, params.python)
        project: Any = {"project_dir": folder, **more} if more else folder
        dg.scaffold_component(request, {"project": project})


def _from(root: Path, path: str) -> str:
    """A path from the Dagster project's root, where it is one; links are not followed."""
    if Path(path).is_absolute() and not Path(path).is_relative_to(root):
        return path
    return f"{ROOT}/{os.path.relpath(path, start=root)}"
