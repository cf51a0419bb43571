"""What `dg scaffold defs dagster_kedro.KedroProjectComponent` writes."""

import os
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import BaseModel, Field

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
