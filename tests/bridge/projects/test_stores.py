"""What is staged: cleaned up after success, kept by a failure, on a disk and on a server.

The server is a real one: FTP is the one remote protocol that fsspec speaks with Python alone.
"""

import importlib
import json
import logging
import threading
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import pytest
from dagster_kedro import KedroSubprocessClient
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import ThreadedFTPServer

JOB = """\
from pathlib import Path

from dagster_kedro import (
    KedroPipesResource,
    KedroProject,
    KedroSubprocessClient,
    build_definitions,
)

project = KedroProject(Path(__file__).parent, python={python!r}, env="staged")
client = KedroSubprocessClient(env={environment!r})
definitions = build_definitions(project, resource=KedroPipesResource(client=client))


def resume():
    return definitions.resolve_job_def("resume")
"""


class Server(NamedTuple):
    """A file server, its credentials as fsspec finds them, and the folder that it serves."""

    url: str
    environment: dict[str, str]
    folder: Path


class Store(NamedTuple):
    """What `dagster.yml` says of the store, what workers need for it, and what is in it."""

    orchestration: dict
    environment: dict[str, str]
    staged: Callable[[Path], list[Path]]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Serve a folder by FTP, to one user with a password of this test run."""
    folder, password = tmp_path_factory.mktemp("served"), uuid.uuid4().hex
    logging.getLogger("pyftpdlib").setLevel(logging.WARNING)
    authorizer = DummyAuthorizer()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that FTP is not encrypted
        authorizer.add_user("worker", password, str(folder), perm="elradfmwMT")
    handler = type("Handler", (FTPHandler,), {"authorizer": authorizer})
    ftp = ThreadedFTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=ftp.serve_forever, daemon=True)
    thread.start()
    environment = {"FSSPEC_FTP_USERNAME": "worker", "FSSPEC_FTP_PASSWORD": password}
    yield Server(f"ftp://127.0.0.1:{ftp.socket.getsockname()[1]}/a folder", environment, folder)
    ftp.close_all()
    thread.join(timeout=10)


@pytest.fixture(params=["disk", "server", "steps"])
def store(request, staged_in):
    """A store in the project's folder, one on a server, and one between steps of Dagster."""
    staging = {"memory_datasets": "stage"}
    if request.param == "disk":
        return Store(staging, {}, staged_in)
    if request.param == "steps":
        return Store({**staging, "step_per": "group"}, {}, staged_in)
    server = request.getfixturevalue("server")
    return Store(
        {**staging, "store": {"url": server.url}},
        server.environment,
        lambda _: sorted(server.folder.glob("a folder/*")),
    )


@pytest.fixture
def job(store, copy_project, export, kedro_python, monkeypatch):
    """A job that Dagster can execute again, and its folder."""
    folder = copy_project("composed")
    (folder / "conf/staged/dagster.yml").write_text(json.dumps(store.orchestration))
    export(folder, "--env", "staged")
    module = f"job_{uuid.uuid4().hex}"
    (folder / f"{module}.py").write_text(
        JOB.format(python=str(kedro_python), environment=store.environment)
    )
    monkeypatch.syspath_prepend(folder)
    return dg.reconstructable(importlib.import_module(module).resume), folder


def test_failure_keeps_what_was_staged(job, store):
    """A re-execution from failure loads what the failed run staged, and cleans up after it."""
    job, folder = job
    in_process = {"execution": {"config": {"in_process": {}}}}
    from_failure = {"dagster/is_resume_retry": "true"}  # as the web interface marks it
    with dg.DagsterInstance.local_temp() as instance:
        failed = dg.execute_job(job, instance, run_config=in_process)
        kept = [file.name for run in store.staged(folder) for file in run.iterdir()]
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data/go").touch()
        again = dg.ReexecutionOptions.from_failure(failed.run_id, instance)
        resumed = dg.execute_job(
            job, instance, run_config=in_process, reexecution_options=again, tags=from_failure
        )
        prepared = instance.get_latest_materialization_event(dg.AssetKey("prepared"))
        metadata = prepared.asset_materialization.metadata

    assert not failed.success
    assert ["prepared.pickle"] == kept
    assert resumed.success
    # A step of its own is not even started again.
    kept_from = metadata.get("kedro/kept_from_run")
    assert failed.run_id == (kept_from.value if kept_from else prepared.run_id)
    assert json.loads((folder / "data/prepared_by.json").read_text()) == (
        metadata["kedro/process_id"].value
    )
    assert [] == store.staged(folder)


def test_outputs_are_equal(run_both, server):
    """What crosses through a server arrives as it was, and is gone from there at the end."""
    both = run_both(
        "relay",
        "memory",
        dagster={"memory_datasets": "stage", "store": {"url": server.url}},
        client=KedroSubprocessClient(env=server.environment),
    )

    both.assert_equal()
    assert both.run.materializations["doubled"]["kedro/staged_at"].startswith(server.url)
    assert {"add_up"} in both.groups
    assert (server.folder / "a folder").is_dir()
    assert [] == list(server.folder.glob("a folder/*"))
