"""A project whose hooks tell of each call, in a file beside its data."""
