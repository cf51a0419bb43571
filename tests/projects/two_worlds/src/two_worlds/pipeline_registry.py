"""The registered pipelines."""

from kedro.framework.project import find_pipelines


def register_pipelines():
    """Find the pipelines; the default holds both."""
    pipelines = find_pipelines(raise_errors=True)
    return {**pipelines, "__default__": sum(pipelines.values())}
