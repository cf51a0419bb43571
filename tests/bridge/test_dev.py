"""`dagster dev`: the manifest is exported for the UI, and never by a run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

pytestmark = pytest.mark.slow

JOBS = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } jobs { name } } } } }"
LAUNCH = """mutation($selector: JobOrPipelineSelector!) {
  launchRun(executionParams: {selector: $selector, runConfigData: {}}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  }
}"""
STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
RELOAD = """mutation($name: String!) {
  reloadRepositoryLocation(repositoryLocationName: $name) { __typename }
}"""


class DevServer:
    """A running `dagster dev`, spoken to as its web interface does."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/graphql"

    def ask(self, query: str, **variables):
        """Ask its GraphQL interface."""
        reply = requests.post(
            self.url, json={"query": query, "variables": variables}, timeout=60
        ).json()
        assert "errors" not in reply, reply
        return reply["data"]

    def repository(self):
        """Return the loaded repository, or None while there is none."""
        try:
            nodes = self.ask(JOBS)["repositoriesOrError"].get("nodes")
        except requests.ConnectionError:
            return None
        return nodes[0] if nodes else None

    def reload(self):
        """Reload the location, as the button does."""
        self.ask(RELOAD, name=self.repository()["location"]["name"])

    def run(self, job: str) -> str:
        """Launch a job and return the status in which it ended."""
        repository = self.repository()
        selector = {
            "repositoryName": repository["name"],
            "repositoryLocationName": repository["location"]["name"],
            "jobName": job,
        }
        launched = self.ask(LAUNCH, selector=selector)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id = launched["run"]["runId"]

        def ended():
            status = self.ask(STATUS, id=run_id)["runOrError"]["status"]
            return status if status in {"SUCCESS", "FAILURE", "CANCELED"} else None

        return wait_for(ended)


def wait_for(found, timeout_s: float = 120):
    """Ask again and again until there is an answer."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if answer := found():
            return answer
        time.sleep(0.2)
    raise TimeoutError(f"nothing after {timeout_s} s")


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory, kedro_python):
    """The Kedro environment's interpreter, which writes down what it is called with."""
    folder = tmp_path_factory.mktemp("interpreter")
    script = folder / "python"
    script.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\nexec {kedro_python} "$@"\n')
    script.chmod(0o755)
    return script


@pytest.fixture(scope="module")
def exports(interpreter):
    """Return how often the interpreter was asked to export."""
    calls = interpreter.with_name("calls")
    return lambda: calls.read_text().count("kedro_pipes export") if calls.exists() else 0


@pytest.fixture(scope="module")
def project(copy_of, interpreter, write_definitions):
    """A project without a manifest, as after `git clone`."""
    folder = copy_of("relay")
    (folder / "manifest.json").unlink()
    write_definitions(folder, interpreter)
    return folder


@pytest.fixture(scope="module")
def server(project, tmp_path_factory):
    """A `dagster dev` with the project loaded, ended by its process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("dagster-home")
    output = (home / "output.log").open("wb")
    dagster = Path(sys.executable).with_name("dagster")
    process = subprocess.Popen(
        [dagster, "dev", "-f", "definitions.py", "--host", "127.0.0.1", "--port", str(port)],
        cwd=project,
        env={**os.environ, "DAGSTER_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "1"},
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    dev = DevServer(port)
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


def test_exports_for_the_ui(server, exports):
    """The manifest is written once, when the location is loaded."""
    assert "memory" in {job["name"] for job in server.repository()["jobs"]}
    assert exports() == 1


def test_a_run_never_exports(server, project, exports):
    """A run loads the definitions again in its own processes, and exports zero times.

    Not even where sources were changed since: it runs what the UI showed.
    """
    parameters = project / "conf/base/parameters.yml"
    parameters.write_text(parameters.read_text() + "# changed\n")

    assert server.run("memory") == "SUCCESS"
    assert exports() == 1


def test_a_reload_exports_what_changed(server, project, exports):
    """Reloading the location exports again if sources changed, and not otherwise."""
    registry = project / "src/relay/pipeline_registry.py"
    registry.write_text(registry.read_text().replace('"memory": ', '"remembered": '))
    server.reload()
    changed = exports()
    server.reload()

    assert (changed, exports()) == (2, 2)
    assert "remembered" in {job["name"] for job in server.repository()["jobs"]}
