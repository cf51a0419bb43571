"""Jobs of `dagster.yml` with their executors, loggers and schedules. Definition time only."""
