"""Small pipelines, one for each thing that crosses from Dagster to a worker and back."""
