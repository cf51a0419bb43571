"""A project that kedro-mlflow tracks: parameters, metrics, an artifact and a model."""
