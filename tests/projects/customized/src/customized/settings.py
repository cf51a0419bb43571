"""Settings of the project: classes of its own for everything."""

from customized.catalog import CountingCatalog
from customized.context import StampedContext
from customized.hooks import EntryHooks, InputHooks
from customized.loader import JsonConfigLoader

CONFIG_LOADER_CLASS = JsonConfigLoader
CONFIG_LOADER_ARGS = {"base_env": "base"}
CONTEXT_CLASS = StampedContext
DATA_CATALOG_CLASS = CountingCatalog
HOOKS = (EntryHooks(), InputHooks())
