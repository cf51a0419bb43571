"""Kedro defaults."""
