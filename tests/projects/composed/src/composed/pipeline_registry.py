"""The registered pipelines: some found, some composed of others that this dictionary holds."""

from kedro.framework.project import find_pipelines


def register_pipelines():
    """Return all pipelines by name.

    Asked for `etl` alone, Kedro finds neither of the parts that it is made of.
    """
    pipelines = find_pipelines()
    pipelines["etl"] = pipelines["extract"] + pipelines["transform"]
    pipelines["statistics"] = pipelines["etl"].only_nodes_with_tags("group.statistics")
    pipelines["__default__"] = pipelines["etl"]
    return pipelines
