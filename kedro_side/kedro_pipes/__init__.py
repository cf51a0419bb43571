"""The Kedro side: exports a project as a manifest, and runs groups of its nodes as a worker.

Imports kedro and dagster-pipes; never dagster.
"""
