"""Cancel, death and re-execution, as a user does them: through Dagster's web server.

One server serves a code location for each client; the runs are launched, cancelled and executed
again by the calls that the interface's buttons make.
"""

import importlib.util
import json
import os
import pickle
import signal
import sys
import time
import uuid
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

DEFINITIONS = """\
from pathlib import Path

import dagster as dg
from dagster_kedro import KedroPipesResource, KedroProject, build_definitions, kedro_assets

FOLDER = Path({folder!r})
project = KedroProject(FOLDER, python={python!r})


@kedro_assets(
    project=project,
    check_specs=[dg.AssetCheckSpec("sound", asset="model", blocking=True)],
)
def misbehaving(context: dg.AssetExecutionContext, kedro: KedroPipesResource):
    yield from kedro.run(context).stream()


@dg.asset(deps=["model"])
def card_of_model():
    (FOLDER / "data/card").write_text("written")


@dg.asset(deps=["report"])
def letter_on_report():
    (FOLDER / "data/letter").write_text("written")


def job(name, *keys):
    return dg.define_asset_job(name, selection=dg.AssetSelection.assets(*keys))


defs = dg.Definitions(
    assets=[misbehaving, card_of_model, letter_on_report],
    jobs=[
        job("alone", "outcome"),
        job("resuming", "model", "score", "report", "card_of_model", "letter_on_report"),
        job("fitting", "model"),
    ],
    resources={{"kedro": KedroPipesResource(client={client})}},
)
"""
INSTANCE = """\
run_coordinator:
  module: dagster._core.run_coordinator
  class: DefaultRunCoordinator
"""
IN_ONE_PROCESS = {"execution": {"config": {"in_process": {}}}}
FOREIGN = ["card_of_model", "letter_on_report"]


def _load(name):
    module = f"conformance_{name}"
    if module not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            module, Path(__file__).with_name(f"{name}.py")
        )
        sys.modules[module] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[module])
    return sys.modules[module]


LIVE_CLIENTS = [client for client in _load("clients").CLIENTS if hasattr(client, "client")]


@pytest.fixture(scope="module")
def server(tmp_path_factory, copy_of, kedro_python):
    """The web server, and what its locations are made of."""
    home = tmp_path_factory.mktemp("home")
    (home / "dagster.yaml").write_text(INSTANCE)
    locations = {}
    for adapter in LIVE_CLIENTS:
        if hasattr(adapter, "missing") and adapter.missing():
            continue
        token = uuid.uuid4().hex
        folder = copy_of("misbehaving")
        (folder / "data").mkdir()
        file = home / f"{adapter.name.replace('-', '_')}.py"
        file.write_text(
            DEFINITIONS.format(
                folder=str(folder), python=str(kedro_python), client=adapter.client_source(token)
            )
        )
        locations[adapter.name] = SimpleNamespace(name=file.name, folder=folder, token=token)
    web = _load("webserver").Webserver(home, [home / each.name for each in locations.values()])
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield SimpleNamespace(web=web, locations=locations, instance=instance)
    web.close()


class Location:
    """A client's code location, as a user sees it."""

    def __init__(self, adapter, server, finished_run):
        self.adapter = adapter
        self.web = server.web
        self._instance = server.instance
        self._finished_run = finished_run
        self._location = server.locations[adapter.name]
        self.data = self._location.folder / "data"
        for file in self.data.iterdir():
            if file.is_file():
                file.unlink()

    def launch(self, job="alone", *, in_one_process=True, **parameters):
        """Launch a job; return the run's id."""
        config = IN_ONE_PROCESS if in_one_process else {}
        if parameters:
            resources = {"kedro": {"config": {"parameters": parameters}}}
            config = {**config, "resources": resources}
        return self.web.launch(self._location.name, job, config)

    def wait(self, run_id):
        """Wait for a run to be over; return it."""
        status = self.web.wait(run_id)
        result = SimpleNamespace(success=status == "SUCCESS", run_id=run_id)
        run = self._finished_run(result, self._instance)
        run.status, run.run_id = status, run_id
        run.steps = {
            entry.step_key: entry.dagster_event.event_type_value
            for entry in run.entries
            if entry.dagster_event and entry.dagster_event.event_type_value.startswith("STEP_S")
        }
        return run

    def wait_for(self, name):
        """Wait until a node has left a sign."""
        deadline = time.monotonic() + 30
        while not (self.data / name).exists():
            assert time.monotonic() < deadline, f"no {name}"
            time.sleep(0.05)

    def score(self):
        """What the score was computed from."""
        return json.loads((self.data / "score.json").read_text())

    def model(self, metadata):
        """The model of the version that a materialization names."""
        folder = self.data / "model.pickle" / metadata["kedro/version"]
        return pickle.loads((folder / "model.pickle").read_bytes())

    def orchestrator(self):
        """Process of the step."""
        return self.adapter.orchestrator(self._location.token)

    def leftovers(self, within_s=5.0):
        """What is left of the workers."""
        return self.adapter.leftovers(self._location.token, within_s)


@pytest.fixture(params=_load("clients").parameters(LIVE_CLIENTS))
def location(request, server, finished_run):
    """The code location of each client; nothing of its workers is left after."""
    missing = request.param.missing() if hasattr(request.param, "missing") else None
    if missing:
        pytest.skip(missing)
    made = Location(request.param, server, finished_run)
    yield made
    assert made.leftovers() == []


@pytest.mark.parametrize("behaviour", ["hang", "hang_talking", "hang_deaf"])
def test_cancel(location, behaviour):
    """Cancelling ends the worker and all that it started, deaf ones too, soon after the grace."""
    run_id = location.launch(behaviour=behaviour)
    location.wait_for("hanging")
    began_at = time.monotonic()
    location.web.cancel(run_id)
    run = location.wait(run_id)
    took_s = time.monotonic() - began_at

    assert run.status == "CANCELED"
    assert location.leftovers(within_s=0) == []
    assert run.materialized == []
    assert took_s < 1.0 + 5.0  # the grace, and the bound


@pytest.mark.parametrize("behaviour", ["hang", "hang_deaf"])
def test_orchestrator_killed(location, behaviour):
    """When the step's process is killed, workers and grandchildren are gone within seconds."""
    run_id = location.launch(in_one_process=False, behaviour=behaviour)
    location.wait_for("hanging")
    began_at = time.monotonic()
    os.kill(location.orchestrator(), signal.SIGKILL)

    assert location.leftovers(within_s=6.0) == []
    assert time.monotonic() - began_at < 1.0 + 5.0
    assert location.wait(run_id).status == "FAILURE"


def failed_resuming(location):
    """Run the chain until it fails in the middle: the model is kept."""
    run = location.wait(location.launch("resuming"))
    assert run.status == "FAILURE"
    assert run.materialized == ["model"]
    return run


@pytest.mark.slow
def test_reexecution(location):
    """Re-executed, a run makes the rest only, of the kept version; nothing is skipped in silence.

    A newer version, saved by another run meanwhile, must not get in. "From failure" tells Dagster
    of what is kept again, marked so; "from asset failure" does not select it at all.
    """
    failed = failed_resuming(location)
    kept = failed.materializations["model"]
    assert location.wait(location.launch("fitting")).success
    (location.data / "allowed").touch()

    run = location.wait(location.web.reexecute(failed.run_id, "FROM_FAILURE"))
    assert run.success, run.errors
    assert sorted(run.materialized) == sorted(["model", "score", "report", *FOREIGN])
    assert run.materializations["model"]["kedro/kept_from_run"] == failed.run_id
    assert run.materializations["model"]["kedro/version"] == kept["kedro/version"]
    assert "kedro/kept_from_run" not in run.materializations["score"]
    assert {"STEP_SUCCESS"} == set(run.steps.values())
    assert location.model(kept) == location.score()

    (location.data / "score.json").unlink()
    run = location.wait(location.web.reexecute(failed.run_id, "FROM_ASSET_FAILURE"))
    assert run.success, run.errors
    assert sorted(run.materialized) == sorted(["score", "report", *FOREIGN])
    assert {"STEP_SUCCESS"} == set(run.steps.values())
    assert location.model(kept) == location.score()
