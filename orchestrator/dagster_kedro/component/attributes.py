"""What may stand in the `defs.yaml` of a `KedroProjectComponent`, and what becomes of it.

From templates and plain values to the arguments of `build_definitions`. Annotations are not
postponed here, since Dagster reads them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
from kedro_manifest.orchestration.jobs import PipelineFilter
from pydantic import BaseModel, create_model

from dagster_kedro.assets.node_selection import Selected
from dagster_kedro.errors import ProjectError
from dagster_kedro.project import KedroProject

COMPONENT = "KedroProjectComponent"


class KedroProjectModel(dg.Model):
    """`project:` as a mapping. Relative paths but the first are taken from the project."""

    project_dir: str
    python: str | None = None
    manifest_path: str | None = None
    env: str | None = None
    conf_source: str | None = None
    key_prefix: str | list[str] | None = None


def _fields_of(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """The fields of a record that has defaults only, as pydantic wants them."""
    return {
        each.name: (each.type, each.default if each.default is not msgspec.NODEFAULT else [])
        for each in msgspec.structs.fields(struct)
    }


PipelineFilterModel: type[dg.Model] = create_model(
    "PipelineFilterModel",
    __base__=dg.Model,
    __doc__="The filters of `kedro run`, in the words of `jobs.<name>.pipeline` in dagster.yml.",
    **_fields_of(PipelineFilter),
)


def resolve_project(context: dg.ResolutionContext, given: str | BaseModel) -> KedroProject:
    """Return the project of the attribute `project`: a path, or a mapping.

    Raises:
        ProjectError: There is no such project; the message names the attribute.
    """
    stated = {"project_dir": given} if isinstance(given, str) else _stated(given)
    values: dict[str, Any] = dict(context.resolve_value(stated))
    folder = context.resolve_source_relative_path(str(values.pop("project_dir")))
    if not (folder / "pyproject.toml").is_file():
        raise ProjectError(
            f"Cannot load {COMPONENT}: attribute `project` names '{folder}', which holds no "
            "pyproject.toml. Expected the folder of a Kedro project, such as "
            '"{{ context.project_root }}/my-project".'
        )
    for path in ("python", "manifest_path"):
        if path in values:
            values[path] = folder / Path(values[path]).expanduser()
    return KedroProject(folder, **values)


def require_one_of(attribute: str, value: Any, choices: Sequence[Any]) -> None:
    """Refuse an attribute with another value than some, or None.

    Raises:
        ProjectError: It has one; the message names both.
    """
    if value is not None and value not in choices:
        raise ProjectError(
            f"Cannot load {COMPONENT}: attribute `{attribute}` expected "
            f"{' or '.join(map(repr, choices))}, got {value!r}. Mend it in defs.yaml."
        )


def resolve_filter(context: dg.ResolutionContext, given: str | BaseModel | None) -> Any:
    """Return what stands in the attributes `select` and `exclude`, templates resolved."""
    return context.resolve_value(_stated(given)) if isinstance(given, BaseModel) else given


def selected_by(attribute: str, given: Any) -> Selected | None:
    """Return a selection that may still be a mapping, where a template gave one.

    Raises:
        ProjectError: It is neither a name nor a filter; the message names the attribute.
    """
    try:
        selected: Selected | None = msgspec.convert(given, Selected | None)
    except msgspec.ValidationError as error:
        raise ProjectError(
            f"Cannot load {COMPONENT}: attribute `{attribute}` expected a pipeline or filters of "
            f"nodes, got {given!r}: {error}. Mend it in defs.yaml."
        ) from error
    return selected


def _stated(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(exclude_unset=True, exclude_none=True)
