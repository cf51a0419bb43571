"""How the MLflow run of a run of Dagster begins, ends and goes on, through Dagster's web server."""

import importlib.util
import time
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

pytestmark = pytest.mark.mlflow

DEFINITIONS = """\
from pathlib import Path

from dagster_kedro import KedroPipesResource, KedroProject, KedroSubprocessClient, build_definitions

project = KedroProject(Path({folder!r}), python={python!r})
resource = KedroPipesResource(client=KedroSubprocessClient(start={start!r}))
defs = build_definitions(project, step_per={step_per!r}, resource=resource)
"""
INSTANCE = """\
run_coordinator:
  module: dagster._core.run_coordinator
  class: DefaultRunCoordinator
"""
STEPS = {"one_step": "selection", "forked": "selection", "many_steps": "group"}
STARTS = {"one_step": "cold", "forked": "warm", "many_steps": "cold"}
IN_PROCESS = {"execution": {"config": {"in_process": {}}}}
CONFIG = {"one_step": IN_PROCESS, "forked": IN_PROCESS, "many_steps": {}}
"""The steps of the last are processes."""


def _webserver():
    path = Path(__file__).parents[1] / "conformance/webserver.py"
    spec = importlib.util.spec_from_file_location("mlflow_webserver", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Webserver


@pytest.fixture(scope="module")
def dagster(tmp_path_factory, tracked, kedro_python):
    """A web server with a location for each way of making steps, each with an experiment."""
    home = tmp_path_factory.mktemp("home")
    (home / "dagster.yaml").write_text(INSTANCE)
    folders = {name: tracked(name) for name in STEPS}
    for name, folder in folders.items():
        source = DEFINITIONS.format(
            folder=str(folder),
            python=str(kedro_python),
            step_per=STEPS[name],
            start=STARTS[name],
        )
        (home / f"{name}.py").write_text(source)
    web = _webserver()(home, [home / f"{name}.py" for name in STEPS])
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield SimpleNamespace(web=web, folders=folders, instance=instance)
    web.close()


@pytest.fixture(params=STEPS)
def location(request, dagster, server, parent_of):
    """One of the locations."""
    return Location(request.param, dagster, server, parent_of)


class Location:
    """A code location, and what MLflow knows of its runs."""

    def __init__(self, name, dagster, server, parent_of):
        self.name = name
        self.web = dagster.web
        self.data = dagster.folders[name] / "data"
        self._server = server
        self._parent_of = parent_of

    def launch(self, job):
        """Launch a job; return its run's id."""
        return self.web.launch(f"{self.name}.py", job, CONFIG[self.name])

    def run(self, job):
        """Run a job to its end; return its run's id and status."""
        run_id = self.launch(job)
        return run_id, self.web.wait(run_id, 120)

    def again(self, run_id):
        """Execute a run again, from its failure; return the status."""
        return self.web.wait(self.web.reexecute(run_id, "FROM_FAILURE"), 120)

    def wait_for(self, name):
        """Wait until a node has left a sign."""
        deadline = time.monotonic() + 120
        while not (self.data / name).exists():
            assert time.monotonic() < deadline, f"no {name}"
            time.sleep(0.05)

    def tracked(self, job):
        """Return the one parent of a job's runs, and the runs in it by name."""
        runs = self._server.runs(self.name)
        parents = {run.id for run in runs if run.parent is None and run.name == job}
        return self._parent_of([run for run in runs if {run.id, run.parent} & parents])


def statuses(nested):
    """Return the statuses of nested runs, by name."""
    return {name: [run.status for run in runs] for name, runs in nested.items()}


def test_success(location):
    """Groups that begin at the same time, be it in steps of their own, share one finished run."""
    run_id, status = location.run("beside")
    parent, nested = location.tracked("beside")

    assert "SUCCESS" == status
    assert ("FINISHED", run_id) == (parent.status, parent.tags["dagster.run_id"])
    assert {f"beside_{n}": ["FINISHED"] for n in range(3)} == statuses(nested)


def test_failure_and_reexecution(location):
    """A failure ends the run as failed; executed again, the same one goes on and is finished."""
    run_id, status = location.run("mending")
    failed, in_failed = location.tracked("mending")
    (location.data / "mended").touch()
    again = location.again(run_id)
    parent, nested = location.tracked("mending")

    assert ("FAILURE", "SUCCESS") == (status, again)
    assert "FAILED" == failed.status
    assert {"begin": ["FINISHED"], "mend": ["FAILED"]} == statuses(in_failed)
    assert (failed.id, "FINISHED") == (parent.id, parent.status)
    assert {"begin": ["FINISHED"], "mend": ["FAILED", "FINISHED"]} == statuses(nested)
    assert run_id == parent.tags["dagster.root_run_id"] != parent.tags["dagster.run_id"]


def test_cancel(location):
    """A canceled run ends as killed, and so does what ran in it."""
    run_id = location.launch("waiting")
    location.wait_for("waiting")
    location.web.cancel(run_id)
    status = location.web.wait(run_id, 120)
    parent, nested = location.tracked("waiting")

    assert "CANCELED" == status
    assert "KILLED" == parent.status
    assert {"come": ["FINISHED"], "wait": ["KILLED"]} == statuses(nested)
