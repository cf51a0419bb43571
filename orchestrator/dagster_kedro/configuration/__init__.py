"""What a run can be told: settings, a job's options, Dagster's word on configuration. Launches nothing."""
