"""From the published files to one table of features, a row for each departure."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
