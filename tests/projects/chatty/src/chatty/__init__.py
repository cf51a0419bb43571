"""Nodes that say something in every way that there is."""
