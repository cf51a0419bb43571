"""A project whose datasets are validated by the catalog, and checked by Dagster."""
