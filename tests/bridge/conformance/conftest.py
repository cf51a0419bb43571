"""The fixture `bridge`: one set of tests, for every client. What differs is in `clients.py`."""

import importlib.util
import json
import sys
import uuid
from pathlib import Path

import dagster as dg
import pytest
from dagster_kedro import KedroPipesResource, build_definitions


def _module(stem):
    name = f"conformance_{stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{stem}.py"))
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def _clients():
    return _module("clients")


_module("engines")
_module("webserver")
CLIENTS = _clients().CLIENTS
LIVE_CLIENTS = [client for client in CLIENTS if hasattr(client, "client")]


def pytest_ignore_collect(collection_path, config):
    """Leave out what only a cluster can answer, unless there is one: the double knows no accounts."""
    if collection_path.name == "test_rights.py" and not config.getoption("--k8s"):
        return True
    return None


class Bridge:
    """Runs things through one client, and finds what is left of them."""

    def __init__(self, adapter, *, kedro_python, copy_of, open_project, execute, folder):
        self.adapter = adapter
        self.token = uuid.uuid4().hex
        self.kedro_python = kedro_python
        self.folder = folder
        self._copy_of = copy_of
        self._open_project = open_project
        self._execute = execute
        self._project_dir = None

    @property
    def project_dir(self) -> Path:
        """This test's own copy of the misbehaving project."""
        if self._project_dir is None:
            self._project_dir = self._copy_of("misbehaving")
            (self._project_dir / "data").mkdir()
        return self._project_dir

    def run(
        self,
        job="alone",
        *,
        client=None,
        instance=None,
        max_concurrent=0,
        worker=None,
        **parameters,
    ):
        """Run a job of the misbehaving project."""
        resource = KedroPipesResource(
            client=client or self.adapter.client(self.token),
            parameters=parameters,
            max_concurrent=max_concurrent,
            worker=worker or {},
        )
        definitions = build_definitions(self._open_project(self.project_dir), resource=resource)
        return self._execute(definitions, job, instance=instance)

    def run_program(
        self, program, *arguments, assets=("outcome",), checks=(), client=None, extras=None
    ):
        """Run one of `programs` as the producer of some assets, each after the one before."""
        command = self.adapter.command(self.kedro_python, program, *arguments)
        return self.run_command(command, assets=assets, checks=checks, client=client, extras=extras)

    def run_wire(self, row, checks=(), extra_assets=()):
        """Run a row of `programs/wire.py`."""
        client = self.adapter.wire_client(row, self.token)
        assets = ("outcome", *extra_assets)
        return self.run_program("wire.py", row, client=client, checks=checks, assets=assets)

    def run_command(self, command, *, assets=("outcome",), checks=(), client=None, extras=None):
        """Run any command as the producer of some assets."""
        folder = str(self.folder)
        specs = [
            dg.AssetSpec(name, deps=[assets[index - 1]] if index else [])
            for index, name in enumerate(assets)
        ]

        @dg.multi_asset(name="program", specs=specs, check_specs=list(checks))
        def program_assets(context: dg.AssetExecutionContext, kedro: KedroPipesResource):
            yield from kedro.run_program(context, command, extras=extras, working_dir=folder)

        resource = KedroPipesResource(client=client or self.adapter.client(self.token))
        definitions = dg.Definitions(
            assets=[program_assets],
            jobs=[dg.define_asset_job("everything")],
            resources={"kedro": resource},
        )
        return self._execute(definitions, "everything")

    def leftovers(self):
        """Return what is left of this test's workers and of all that they started."""
        return self.adapter.leftovers(self.token)

    def read(self, name):
        """Return what a node has saved."""
        return json.loads((self.project_dir / "data" / f"{name}.json").read_text())


@pytest.fixture(scope="session", autouse=True)
def python_of_hosts(kedro_python):
    """Say which interpreter workers on other hosts have."""
    _clients().SshUnderTest.python = kedro_python


@pytest.fixture
def make_bridge(kedro_python, copy_of, open_project, run_definitions, tmp_path):
    """Make a bridge for a client."""

    def make(adapter):
        missing = adapter.missing() if hasattr(adapter, "missing") else None
        if missing:
            pytest.skip(missing)
        return Bridge(
            adapter,
            kedro_python=kedro_python,
            copy_of=copy_of,
            open_project=open_project,
            execute=run_definitions,
            folder=tmp_path,
        )

    return make


@pytest.fixture(params=_clients().parameters(_clients().starting_programs()))
def any_bridge(request, make_bridge):
    """A bridge through each client, the scripted one included: for what stands on the wire."""
    return make_bridge(request.param)


@pytest.fixture(params=_clients().parameters(LIVE_CLIENTS))
def bridge(request, make_bridge):
    """A bridge through each client that starts real workers; whatever it started is gone after."""
    made = make_bridge(request.param)
    yield made
    assert made.leftovers() == []


@pytest.fixture(
    params=_clients().parameters(
        [client for client in _clients().starting_programs() if client in LIVE_CLIENTS]
    )
)
def program_bridge(request, make_bridge):
    """A bridge through each client that starts programs in a way of its own."""
    made = make_bridge(request.param)
    yield made
    assert made.leftovers() == []


@pytest.fixture
def warm_client():
    """The client whose workers are forked, with a file for their messages."""
    return next(client for client in CLIENTS if client.name == "warm-file")
