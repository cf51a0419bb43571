"""Which nodes run, and in which groups. Pure functions on a manifest, no configuration file."""
