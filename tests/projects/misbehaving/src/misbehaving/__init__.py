"""Nodes that misbehave as a parameter tells them."""
