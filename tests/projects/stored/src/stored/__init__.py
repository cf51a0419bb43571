"""Datasets of every kind: in parts, in chunks, by version, under two names, from factories."""
