"""What the log tells about a run beyond Kedro's own lines."""

import logging
from time import perf_counter

import pandas as pd
from kedro.framework.hooks import hook_impl
from kedro.pipeline.node import Node

logger = logging.getLogger(__name__)


class NodeTimeHooks:
    """Logs how long the function of each node took."""

    def __init__(self) -> None:
        self._started_s: dict[str, float] = {}

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Remember when the node began."""
        self._started_s[node.name] = perf_counter()

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Log the time since the node began."""
        elapsed_s = perf_counter() - self._started_s.pop(node.name)
        logger.info("Node %s took %.2f s", node.name, elapsed_s)


class TableSizeHooks:
    """Logs the size of every table that is saved."""

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: object) -> None:
        """Log rows and columns of data frames; anything else goes unmentioned."""
        if isinstance(data, pd.DataFrame):
            rows, columns = data.shape
            logger.info("Saved %s: %s rows, %s columns", dataset_name, f"{rows:,}", columns)
