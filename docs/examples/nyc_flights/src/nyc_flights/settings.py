"""Project settings: hooks and how configuration is read."""

from nyc_flights.hooks import NodeTimeHooks, TableSizeHooks
from nyc_flights.resolvers import package_data

HOOKS = (NodeTimeHooks(), TableSizeHooks())

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft"},
    "custom_resolvers": {"package_data": package_data},
}
