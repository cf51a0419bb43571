"""Environments with names of their own, and parameters that are merged softly."""

CONFIG_LOADER_ARGS = {
    "base_env": "common",
    "default_run_env": "laptop",
    "merge_strategy": {"parameters": "soft"},
}
