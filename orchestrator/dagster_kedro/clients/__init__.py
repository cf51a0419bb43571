"""One client for each place where a worker can run; they share `base` and know nothing else."""
