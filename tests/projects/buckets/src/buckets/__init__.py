"""All data is in an object store: in parts, by version, from a factory, and staged."""
