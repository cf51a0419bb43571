"""Pipelines that are made by code, of functions of every kind, in a registry that composes."""
