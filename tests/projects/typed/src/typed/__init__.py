"""Parameters of every type that YAML and Python have, in several environments."""
