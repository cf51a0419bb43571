"""Train and judge the same model pipeline twice: once linear, once boosted trees."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
