"""Settings of the project."""

from forked.hooks import SettingHooks

HOOKS = (SettingHooks(),)
