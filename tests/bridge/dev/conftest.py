"""A real `dagster dev`, web server and daemon, spoken to as its web interface speaks to it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

REPOSITORIES = """{ repositoriesOrError { ... on RepositoryConnection { nodes {
  name location { name } jobs { name } } } } }"""
LAUNCH = """mutation($selector: JobOrPipelineSelector!, $config: RunConfigData!) {
  launchRun(executionParams: {selector: $selector, runConfigData: $config}) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}"""
RUNS = """{ runsOrError { ... on Runs { results { runId jobName status tags { key value } } } } }"""
RELOAD = """mutation($name: String!) {
  reloadRepositoryLocation(repositoryLocationName: $name) { __typename }
}"""
OVER = {"SUCCESS", "FAILURE", "CANCELED"}


class DevServer:
    """A running `dagster dev`."""

    def __init__(self, port: int, home: Path) -> None:
        self.page = f"http://127.0.0.1:{port}"
        self.home = home

    def ask(self, query: str, **variables):
        """Ask its GraphQL interface."""
        reply = requests.post(
            f"{self.page}/graphql", json={"query": query, "variables": variables}, timeout=60
        ).json()
        assert "errors" not in reply, reply
        return reply["data"]

    def repository(self):
        """Return the loaded repository, or None while there is none."""
        try:
            nodes = self.ask(REPOSITORIES)["repositoriesOrError"].get("nodes")
        except requests.ConnectionError:
            return None
        return nodes[0] if nodes else None

    def reload(self):
        """Reload the location, as the button does."""
        self.ask(RELOAD, name=self.repository()["location"]["name"])

    def selector(self, **chosen):
        """Return the selector of something in the repository."""
        repository = self.repository()
        return {
            "repositoryName": repository["name"],
            "repositoryLocationName": repository["location"]["name"],
            **chosen,
        }

    def launch(self, job: str, config=None):
        """Launch a job from the Launchpad; return what the server answers."""
        return self.ask(LAUNCH, selector=self.selector(jobName=job), config=config or {})[
            "launchRun"
        ]

    def run(self, job: str, config=None) -> str:
        """Launch a job and return the status in which it ended."""
        launched = self.launch(job, config)
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return self.status(launched["run"]["runId"])

    def status(self, run_id: str) -> str:
        """Wait until a run is over; return its status."""
        return wait_for(lambda: self._ended(run_id))

    def runs(self, **tags):
        """Return the runs that have some tags; newest first."""
        found = self.ask(RUNS)["runsOrError"]["results"]
        wanted = {key.replace("__", "/"): value for key, value in tags.items()}
        return [
            run
            for run in found
            if wanted.items() <= {tag["key"]: tag["value"] for tag in run["tags"]}.items()
        ]

    def runs_of(self, job: str):
        """Return the ids of a job's runs."""
        return {run["runId"] for run in self.runs() if run["jobName"] == job}

    def _ended(self, run_id: str):
        statuses = {run["runId"]: run["status"] for run in self.runs()}
        return statuses[run_id] if statuses[run_id] in OVER else None


def wait_for(found, timeout_s: float = 180):
    """Ask again and again until there is an answer."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if answer := found():
            return answer
        time.sleep(0.2)
    raise TimeoutError(f"nothing after {timeout_s} s")


@pytest.fixture(scope="session", name="wait_for")
def waiting():
    """Wait for something."""
    return wait_for


@pytest.fixture(scope="module")
def dev_server(tmp_path_factory):
    """Serve a folder's definitions.py; the server is ended by its process id."""

    @contextmanager
    def serve(folder: Path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        home = tmp_path_factory.mktemp("dagster-home")
        output = (home / "output.log").open("wb")
        dagster = Path(sys.executable).with_name("dagster")
        process = subprocess.Popen(
            [dagster, "dev", "-f", "definitions.py", "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env={**os.environ, "DAGSTER_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        dev = DevServer(port, home)
        try:
            wait_for(dev.repository)
            yield dev
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            output.close()

    return serve
