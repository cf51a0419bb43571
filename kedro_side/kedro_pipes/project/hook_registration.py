"""How hooks of plugins and of the project's settings are registered in Kedro's sessions.

Leaves out what is blocked before it is imported, and names what cannot be registered. Knows not
when a hook fires.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from inspect import isclass, ismodule
from types import ModuleType
from typing import Any

from kedro.framework.hooks.manager import _PLUGIN_HOOKS, _create_hook_manager
from kedro.framework.project import settings
from kedro.framework.session import session as classic_session
from kedro_manifest.errors import KedroPipesError
from kedro_manifest.model import HookImplementation
from kedro_manifest.orchestration.hooks import names_hook
from pluggy import PluginManager

try:
    from kedro.framework.session import service_session
except ImportError:  # Kedro before 1.4
    service_session = None  # type: ignore[assignment]


class PluginError(KedroPipesError):
    """The hooks of a plugin or of the project cannot be registered.

    Cure: install a version of it that fits the installed Kedro, or name it under
    `blocked_plugins` in `dagster.yml`.
    """


@contextmanager
def registering(blocked: Collection[str]) -> Iterator[None]:
    """Guard the sessions that are created inside: they register nothing that is blocked.

    Kedro has no way to do that: `DISABLE_HOOKS_FOR_PLUGINS` takes effect once all plugins are
    imported and registered.

    Raises:
        PluginError: A plugin cannot be imported or registered.
    """
    modules: list[ModuleType] = [classic_session]
    modules += [service_session] if service_session is not None else []
    before = [vars(module)["_create_hook_manager"] for module in modules]
    _put(modules, [lambda: make_hook_manager(blocked)] * len(modules))
    try:
        yield
    except PluginError:
        raise
    except Exception as error:
        if (culprit := _unimportable(blocked)) is not None:
            raise _plugin_error(*culprit) from error
        raise
    finally:
        _put(modules, before)


def make_hook_manager(blocked: Collection[str]) -> PluginManager:
    """Return a manager of Kedro's that passes over what is blocked, and names what it refuses."""
    manager = _create_hook_manager()
    for entry in _entry_points() if blocked else ():
        if _is_blocked(blocked, *_names_of(entry)):
            manager.set_blocked(entry.name)
    register = manager.register

    def guarded(plugin: Any, name: str | None = None) -> str | None:
        if name is None and _is_blocked(blocked, _class_path(plugin)):
            return None
        try:
            return register(plugin, name)
        except Exception as error:
            whose = [_names_of(entry)[0] for entry in _entry_points() if entry.name == name]
            raise _plugin_error([*whose, _class_path(plugin)][0], error) from error

    manager.register = guarded  # type: ignore[method-assign]
    return manager


def describe_hooks(manager: PluginManager) -> list[HookImplementation]:
    """Return what is registered, by name; the plugins of one distribution together."""
    found: dict[str, set[str]] = {}
    for plugin in manager.get_plugins():
        hooks = {caller.name for caller in manager.get_hookcallers(plugin) or ()}
        found.setdefault(name_of(plugin, manager), set()).update(hooks)
    taking_result = {
        name_of(each.plugin, manager)
        for each in manager.hook.after_pipeline_run.get_hookimpls()
        if "run_result" in each.argnames
    }
    return [
        HookImplementation(name=name, hooks=sorted(hooks), takes_result=name in taking_result)
        for name, hooks in sorted(found.items())
    ]


def name_of(plugin: Any, manager: PluginManager) -> str:
    """Return the distribution of a plugin; of anything else its module and class."""
    for registered, distribution in manager.list_plugin_distinfo():
        if registered is plugin:
            return str(distribution.project_name)
    return _class_path(plugin)


def _class_path(plugin: Any) -> str:
    if ismodule(plugin):
        return plugin.__name__
    kind = plugin if isclass(plugin) else type(plugin)
    return f"{kind.__module__}.{kind.__qualname__}"


def unknown_names(names: Collection[str]) -> list[str]:
    """Return the names that mean neither an installed plugin nor a hook class of the project."""
    known = {name for entry in _entry_points() for name in _names_of(entry)}
    known |= {_class_path(plugin) for plugin in settings.HOOKS}
    return [name for name in names if not _is_blocked([name], *known)]


def _put(modules: list[ModuleType], functions: list[Callable[[], PluginManager]]) -> None:
    for module, function in zip(modules, functions, strict=True):
        vars(module)["_create_hook_manager"] = function


def _entry_points() -> Iterable[importlib.metadata.EntryPoint]:
    return importlib.metadata.entry_points(group=_PLUGIN_HOOKS)


def _names_of(entry: importlib.metadata.EntryPoint) -> tuple[str, str]:
    """Return the distribution of a plugin, and where it is."""
    path = entry.value.replace(":", ".")
    return (entry.dist.name if entry.dist is not None else path), path


def _is_blocked(blocked: Collection[str], *names: str) -> bool:
    return any(names_hook(entry, name) for entry in blocked for name in names)


def _unimportable(blocked: Collection[str]) -> tuple[str, Exception] | None:
    """Return the first plugin that cannot be imported; those that can, are already."""
    for entry in _entry_points():
        if not _is_blocked(blocked, *_names_of(entry)):
            try:
                entry.load()
            except Exception as error:  # noqa: BLE001 - a plugin is anybody's code
                return _names_of(entry)[0], error
    return None


def _plugin_error(name: str, error: Exception) -> PluginError:
    said = " ".join(str(error).split())
    return PluginError(
        f"Cannot register the hooks of '{name}': {type(error).__name__}: {said}. Install a "
        f"version that fits the installed Kedro, or add `blocked_plugins: [{name}]` to "
        "dagster.yml, which leaves its hooks out."
    )
