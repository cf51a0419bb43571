"""What workers report, as Dagster's events, and the verdict on a group. Starts no worker."""
