"""An implementation of every hook of Kedro, for settings and for plugins alike."""

import traceback

from kedro.framework.hooks import hook_impl
from kedro.io import DatasetError

from hooked.calls import tell


class TellingHooks:
    """Tells of each call, and of what it was called with."""

    def __init__(self, who="hooked"):
        self._who = who

    def _tell(self, hook, **arguments):
        tell(self._who, hook, **arguments)

    def _tell_run(self, hook, run_params, pipeline, catalog, **more):
        self._tell(
            hook,
            run_id=_run_id_of(run_params),
            node_names=sorted(run_params["node_names"] or ()),
            nodes=sorted(node.name for node in pipeline.nodes),
            params=run_params.get("runtime_params") or run_params.get("extra_params") or {},
            has_catalog="first" in catalog,
            **more,
        )

    @hook_impl
    def after_context_created(self, context):
        """Tell of the environment."""
        self._tell("after_context_created", env=context.env)

    @hook_impl
    def after_catalog_created(self, catalog, save_version):
        """Tell of the version that is saved."""
        self._tell("after_catalog_created", version=save_version, has_catalog="first" in catalog)

    @hook_impl
    def before_pipeline_run(self, run_params, pipeline, catalog):
        """Tell of the run."""
        self._tell_run("before_pipeline_run", run_params, pipeline, catalog)

    @hook_impl
    def after_pipeline_run(self, run_params, run_result, pipeline, catalog):
        """Tell of the run and of what it gives."""
        result = {name: _value(made) for name, made in run_result.items()}
        self._tell_run("after_pipeline_run", run_params, pipeline, catalog, result=result)

    @hook_impl
    def on_pipeline_error(self, error, run_params, pipeline, catalog):
        """Tell of the run and of why it failed."""
        told = {"error": repr(error), "shown": "".join(traceback.format_exception(error))}
        self._tell_run("on_pipeline_error", run_params, pipeline, catalog, **told)

    @hook_impl
    def before_node_run(self, node, inputs):
        """Tell of the node, and replace an input of one."""
        self._tell("before_node_run", node=node.name, inputs=sorted(inputs))
        if self._who == "hooked" and node.name == "right.square":
            return {"second": [*inputs["second"], 10]}
        return None

    @hook_impl
    def after_node_run(self, node, outputs):
        """Tell of the node and its outputs."""
        self._tell("after_node_run", node=node.name, outputs=sorted(outputs))

    @hook_impl
    def on_node_error(self, error, node):
        """Tell of the node and its error."""
        self._tell("on_node_error", node=node.name, error=repr(error))

    @hook_impl
    def before_dataset_loaded(self, dataset_name, node):
        """Tell of the dataset."""
        self._tell("before_dataset_loaded", node=node.name, dataset=dataset_name)

    @hook_impl
    def after_dataset_loaded(self, dataset_name, data, node):
        """Tell of the dataset and its data."""
        self._tell("after_dataset_loaded", node=node.name, dataset=dataset_name, data=data)

    @hook_impl
    def before_dataset_saved(self, dataset_name, data, node):
        """Tell of the dataset and its data."""
        self._tell("before_dataset_saved", node=node.name, dataset=dataset_name, data=data)

    @hook_impl
    def after_dataset_saved(self, dataset_name, data, node):
        """Tell of the dataset and its data."""
        self._tell("after_dataset_saved", node=node.name, dataset=dataset_name, data=data)


class StatefulHooks:
    """Needs in its node hooks what it has kept when the run began."""

    _run_id = None

    @hook_impl
    def before_pipeline_run(self, run_params):
        """Keep the run."""
        self._run_id = _run_id_of(run_params)
        tell("stateful", "before_pipeline_run")

    @hook_impl
    def before_node_run(self, node):
        """Tell what was kept."""
        tell("stateful", "before_node_run", node=node.name, kept=self._run_id)


def _run_id_of(run_params):
    """Return the run's id: before Kedro 1.0 it is that of the session."""
    return run_params.get("run_id") or run_params["session_id"]


def _value(made):
    """Return the data of an output: since Kedro 1.0 hooks get datasets."""
    try:
        return made.load() if hasattr(made, "load") else made
    except DatasetError:
        return "gone"
