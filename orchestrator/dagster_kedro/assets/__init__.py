"""Nodes and datasets of a manifest as Dagster assets: keys, looks, ops, partitions. Definition time."""
