"""Tables, a plot and a page of findings about the delays and the models."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
