"""Departure delays at the New York airports in 2013."""

__version__ = "1.0.0"
