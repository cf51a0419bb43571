"""Hooks that add catalog entries and replace inputs."""

from kedro.framework.hooks import hook_impl
from kedro.io import MemoryDataset
from kedro_datasets.json import JSONDataset


class EntryHooks:
    """Adds entries to the catalog, in each way that there is."""

    @hook_impl
    def after_context_created(self, context):
        """Add an entry to the configuration."""
        catalog = context.config_loader["catalog"]
        entry = {"type": "json.JSONDataset", "filepath": "data/configured.json"}
        context.config_loader["catalog"] = {**catalog, "configured": entry}
        self._project_path = context.project_path

    @hook_impl
    def after_catalog_created(self, catalog):
        """Add an input that is in memory, a dataset that is a file, and one that is not."""
        catalog["given"] = MemoryDataset(data=["given", "by", "a", "hook"])
        path = self._project_path / "data/added.json"
        catalog["added"] = JSONDataset(filepath=path.as_posix())
        catalog["closing"] = MemoryDataset(copy_mode="assign")


class InputHooks:
    """Replaces an input of one node."""

    @hook_impl
    def before_node_run(self, node, inputs):
        """Return what is to be put in the place of a loaded input."""
        if node.name == "replace":
            return {"configured": [*inputs["configured"], "and replaced"]}
        return None
