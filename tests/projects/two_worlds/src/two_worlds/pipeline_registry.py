"""The registered pipelines."""

from kedro.framework.project import find_pipelines


def register_pipelines():
    """Find the pipelines, and add one that is made of another; the default holds all."""
    pipelines = find_pipelines(raise_errors=True)
    if "light" in pipelines:
        pipelines["counting"] = pipelines["light"].only_nodes("count")
    return {**pipelines, "__default__": sum(pipelines.values())}
