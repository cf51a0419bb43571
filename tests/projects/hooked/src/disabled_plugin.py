"""A plugin that the project's settings disable."""

from hooked.hooks import TellingHooks

hooks = TellingHooks("disabled-plugin")
