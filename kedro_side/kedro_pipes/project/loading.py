"""Load a project as Kedro does, whatever Kedro's version: identity, context, live pipelines.

The only place of the exporter that knows how Kedro's versions differ in loading.
"""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Collection
from inspect import signature
from pathlib import Path
from typing import Any, cast

import msgspec
from kedro.config import AbstractConfigLoader
from kedro.framework import project as kedro_project
from kedro.framework.context import KedroContext
from kedro.framework.hooks.manager import _register_hooks
from kedro.framework.project import configure_project, pipelines, settings
from kedro.framework.session import KedroSession
from kedro.framework.startup import (
    ProjectMetadata,
    _get_project_metadata,
    bootstrap_project,
)
from kedro.pipeline import Pipeline
from kedro_manifest.errors import KedroPipesError

from kedro_pipes.project.hook_registration import PluginError, make_hook_manager, registering

try:
    from kedro.utils import find_kedro_project
except ImportError:  # Kedro before 1.0
    from kedro.utils import (  # type: ignore[attr-defined, no-redef]
        _find_kedro_project as find_kedro_project,
    )

try:
    from kedro.framework.session.service_session import KedroServiceSession
except ImportError:  # Kedro before 1.4
    KedroServiceSession = None  # type: ignore[assignment, misc]


class ProjectNotFoundError(KedroPipesError):
    """No project here, and no package named.

    Cure: go to the project's directory, or pass `--package NAME`.
    """


class ProjectLoadError(KedroPipesError):
    """The project's own code or settings failed; the cause is chained.

    Cure: install what is missing, or repair the line that the traceback ends with.
    """


class OpenedProject(msgspec.Struct, frozen=True, kw_only=True):
    """A project that Kedro has been configured for."""

    path: Path
    """Source projects: where `pyproject.toml` is. Packaged ones: the working directory."""
    name: str
    package_name: str


def open_project(project_path: Path | None, package_name: str | None) -> OpenedProject:
    """Configure Kedro for a source project, or for a packaged one if a package is named.

    Raises:
        ProjectNotFoundError: Neither a package nor a project at or above the path.
        ProjectLoadError: The project's settings cannot be imported.
    """
    if package_name is not None:
        try:
            configure_project(package_name)
        except Exception as error:
            raise _load_error(f"package '{package_name}'", error) from error
        path = (project_path or Path.cwd()).resolve()
        return OpenedProject(path=path, name=package_name, package_name=package_name)
    found = find_kedro_project((project_path or Path.cwd()).expanduser().resolve())
    if found is None:
        raise ProjectNotFoundError(
            f"Cannot find a Kedro project at or above '{project_path or Path.cwd()}': no "
            "`pyproject.toml` with `[tool.kedro]`. Go to the project's directory, or name an "
            "installed package with `python -m kedro_pipes export --package NAME`."
        )
    try:
        metadata = _get_project_metadata(found)
        # Kedro's command line has done this already, and doing it again takes a while.
        configured = cast("str | None", kedro_project.PACKAGE_NAME)
        if metadata.package_name != configured or not _is_importable(metadata):
            metadata = bootstrap_project(found)
    except Exception as error:
        raise _load_error(f"project '{found}'", error) from error
    return OpenedProject(
        path=Path(found), name=metadata.project_name, package_name=metadata.package_name
    )


def make_config_loader(
    project: OpenedProject,
    env: str | None,
    conf_source: str | None,
    runtime_params: dict[str, Any] | None,
) -> AbstractConfigLoader:
    """Return the project's own config loader, as no hook has seen it yet."""
    loader: AbstractConfigLoader = settings.CONFIG_LOADER_CLASS(
        conf_source=conf_source or str(project.path / settings.CONF_SOURCE),
        env=env or os.environ.get("KEDRO_ENV"),
        runtime_params=runtime_params,
        **settings.CONFIG_LOADER_ARGS,
    )
    return loader


def load_context(
    project: OpenedProject,
    env: str | None,
    conf_source: str | None,
    runtime_params: dict[str, Any] | None,
    *,
    blocked: Collection[str] = (),
) -> KedroContext:
    """Open a session and return its context; fires `after_context_created`.

    Hooks may change the configuration there. `after_catalog_created` is not fired (see
    `catalog_of_own_hooks`).

    Args:
        project: The project.
        env: Kedro environment.
        conf_source: Where the configuration is.
        runtime_params: Merged over the parameters.
        blocked: Plugins and hook classes that are not registered.

    Raises:
        ProjectLoadError: A hook or the settings failed.
        PluginError: A plugin's hooks cannot be registered.
    """
    try:
        with registering(blocked):
            if KedroServiceSession is not None:
                service = KedroServiceSession.create(
                    project_path=project.path, env=env, conf_source=conf_source
                )
                return service.load_context(runtime_params)
            named = signature(KedroSession.create).parameters
            params = "runtime_params" if "runtime_params" in named else "extra_params"  # before 1.0
            classic: Any = KedroSession.create(
                project_path=project.path,
                save_on_close=False,
                env=env,
                conf_source=conf_source,
                **{params: runtime_params},
            )
            context: KedroContext = classic.load_context()
    except PluginError:
        raise
    except Exception as error:
        raise _load_error(f"the context of project '{project.name}'", error) from error
    return context


def catalog_of_own_hooks(context: KedroContext, *, blocked: Collection[str] = ()) -> Any:
    """Return the catalog as the hooks of the project's own settings leave it; None without any.

    Plugins are left out: they answer `after_catalog_created` by making every dataset, which
    needs every library and may connect to servers.

    Raises:
        Exception: Whatever the catalog's configuration or a hook raised.
    """
    manager = make_hook_manager(blocked)
    _register_hooks(manager, settings.HOOKS)
    if not manager.hook.after_catalog_created.get_hookimpls():
        return None
    own: Any = copy.copy(context)
    own._hook_manager = manager  # noqa: SLF001 - a context takes it in its constructor only
    if "catalog_class" in signature(own._get_catalog).parameters:  # noqa: SLF001 - of any version
        return own._get_catalog(catalog_class=settings.DATA_CATALOG_CLASS)  # noqa: SLF001
    return own._get_catalog()  # noqa: SLF001


def load_pipelines(project: OpenedProject) -> dict[str, Pipeline]:
    """Import the registry and return all pipelines.

    Raises:
        ProjectLoadError: The registry or something that it imports failed.
    """
    try:
        return {name: pipeline for name, pipeline in pipelines.items() if pipeline is not None}
    except Exception as error:
        raise _load_error(f"the pipelines of project '{project.name}'", error) from error


def _is_importable(metadata: ProjectMetadata) -> bool:
    return str(metadata.source_dir) in sys.path


def first_line(error: BaseException) -> str:
    """Return an error's type and the first line of its message, without a full stop."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0].rstrip('.')}" if lines else type(error).__name__


def _load_error(what: str, error: Exception) -> ProjectLoadError:
    """Name what was raised and, where that only wraps another error, what began it."""
    first: BaseException = error
    while first.__cause__ is not None:
        first = first.__cause__
    began = f" ({first_line(first)})" if first is not error else ""
    return ProjectLoadError(
        f"Cannot load {what}: {first_line(error)}{began}. Install what is missing in "
        "this environment, or repair the line that the traceback ends with; then export again."
    )
