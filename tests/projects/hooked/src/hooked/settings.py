"""Settings of the project."""

from hooked.hooks import StatefulHooks, TellingHooks

HOOKS = (TellingHooks(), StatefulHooks())
DISABLE_HOOKS_FOR_PLUGINS = ("disabled-plugin",)
