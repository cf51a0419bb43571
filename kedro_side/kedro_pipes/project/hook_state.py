"""What `before_pipeline_run` keeps in its object for other hooks, as far as its source tells."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from pluggy import PluginManager

from kedro_pipes.project.hook_registration import name_of


def kept_for_other_hooks(manager: PluginManager) -> dict[str, list[str]]:
    """Return the attributes that `before_pipeline_run` sets, by who implements it.

    Left out are objects that implement no other hook, and what has no source.
    """
    kept: dict[str, list[str]] = {}
    for each in manager.hook.before_pipeline_run.get_hookimpls():
        if len(manager.get_hookcallers(each.plugin) or ()) > 1:
            attributes = sorted(set(_attributes_set(each.function)))
            if attributes:
                kept.setdefault(name_of(each.plugin, manager), []).extend(attributes)
    return kept


def _attributes_set(function: Callable[..., Any]) -> Iterator[str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return
    definition = tree.body[0]
    if not isinstance(definition, ast.FunctionDef) or not definition.args.args:
        return
    own = definition.args.args[0].arg
    for node in ast.walk(definition):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id == own
        ):
            yield node.attr
