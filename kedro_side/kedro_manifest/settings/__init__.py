"""What `dagster.yml` says of each asset, worker, partition and sensor, resolved on the graph. Pure."""
