"""A real MLflow tracking server on SQLite, and a project that kedro-mlflow tracks there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path

import pytest
import yaml

TRACKED = Path(__file__).parents[2] / "projects/tracked"
_STARTING_S = 120


class TrackedRun:
    """An MLflow run, as the server tells it."""

    def __init__(self, raw: dict, server: Server) -> None:
        info, data = raw["info"], raw["data"]
        self._server = server
        self.id = info["run_id"]
        self.name = info["run_name"]
        self.status = info["status"]
        self.params = {each["key"]: each["value"] for each in data.get("params", [])}
        self.metrics = {each["key"]: each["value"] for each in data.get("metrics", [])}
        self.tags = {each["key"]: each["value"] for each in data.get("tags", [])}
        self.models = [each["model_id"] for each in raw.get("outputs", {}).get("model_outputs", [])]

    @property
    def parent(self) -> str | None:
        """Id of the run that it is nested in."""
        return self.tags.get("mlflow.parentRunId")

    def artifacts(self) -> set[str]:
        """Paths of what was logged to it."""
        listed = self._server.get(f"artifacts/list?run_id={self.id}")
        return {each["path"] for each in listed.get("files", [])}

    def history(self, metric: str) -> list[tuple[int, float]]:
        """Steps and values of a metric."""
        listed = self._server.get(f"metrics/get-history?run_id={self.id}&metric_key={metric}")
        return [(each.get("step", 0), each["value"]) for each in listed["metrics"]]

    def model_names(self) -> set[str]:
        """Names of the models that it has logged."""
        raw = [self._server.get(f"logged-models/{each}") for each in self.models]
        return {each["model"]["info"]["name"] for each in raw}


class Server:
    """A tracking server, read through its REST interface: this environment has no MLflow."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str) -> dict:
        """Return an answer."""
        with urllib.request.urlopen(f"{self.url}/api/2.0/mlflow/{path}") as answer:
            return json.load(answer)

    def runs(self, experiment: str) -> list[TrackedRun]:
        """Runs of an experiment that are not deleted, the oldest first; none if there is none."""
        try:
            found = self.get(f"experiments/get-by-name?experiment_name={experiment}")
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return []
            raise
        query = {
            "experiment_ids": [found["experiment"]["experiment_id"]],
            "order_by": ["attributes.start_time ASC"],
        }
        request = urllib.request.Request(
            f"{self.url}/api/2.0/mlflow/runs/search",
            json.dumps(query).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            return [TrackedRun(raw, self) for raw in json.load(answer).get("runs", [])]

    def is_up(self) -> bool:
        """Tell whether it answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5):
                return True
        except OSError:
            return False


@pytest.fixture(scope="session")
def server(kedro_python, tmp_path_factory):
    """Start `mlflow server` on a free port of this machine; its store is a SQLite file."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            [
                *(kedro_python.with_name("mlflow"), "server", "--workers", "1"),
                *("--backend-store-uri", f"sqlite:///{folder}/store.db"),
                *("--artifacts-destination", folder / "artifacts"),
                *("--host", "127.0.0.1", "--port", str(port)),
            ],
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        server = Server(f"http://127.0.0.1:{port}")
        deadline = time.monotonic() + _STARTING_S
        while not server.is_up():
            assert process.poll() is None, (folder / "server.log").read_text()
            assert time.monotonic() < deadline, (folder / "server.log").read_text()
            time.sleep(0.2)
        yield server
    finally:
        # Asked to stop, it waits for connections that its clients keep open.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="session")
def tracked(server, export, tmp_path_factory):
    """Make a copy of the test project that logs to an experiment of its own."""
    exported = tmp_path_factory.mktemp("exported") / "tracked"
    ignored = shutil.ignore_patterns("__pycache__", "data", "manifest.json")
    shutil.copytree(TRACKED, exported, ignore=ignored)
    (exported / "data").mkdir()
    # The plugin speaks to its server as soon as a session is opened, which the export does.
    configure(exported, server, "export")
    export(exported)

    def copied(experiment: str) -> Path:
        folder = tmp_path_factory.mktemp("project") / "tracked"
        shutil.copytree(exported, folder)
        configure(folder, server, experiment)
        return folder

    return copied


@pytest.fixture(scope="session")
def parent_of():
    """Return the one run that is not nested, and those that are nested in it, by name."""

    def split(runs: list[TrackedRun]) -> tuple[TrackedRun, dict[str, list[TrackedRun]]]:
        (parent,) = [run for run in runs if run.parent is None]
        nested: dict[str, list[TrackedRun]] = {}
        for run in runs:
            if run is not parent:
                assert parent.id == run.parent
                nested.setdefault(run.name, []).append(run)
        return parent, nested

    return split


def configure(folder: Path, server: Server, experiment: str) -> None:
    """Let a project's `mlflow.yml` name the server and an experiment."""
    shared = yaml.safe_load((TRACKED / "conf/base/mlflow.yml").read_text())
    config = {
        "server": {"mlflow_tracking_uri": server.url},
        "tracking": {**shared["tracking"], "experiment": {"name": experiment}},
    }
    (folder / "conf/local").mkdir(exist_ok=True)
    (folder / "conf/local/mlflow.yml").write_text(yaml.safe_dump(config))
