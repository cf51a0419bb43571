"""Dagster's own web server, driven as its interface drives it: launch, cancel, re-execute."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

_LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }"""
_REEXECUTE = """mutation($params: ReexecutionParams!) {
  launchRunReexecution(reexecutionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
_TERMINATE = """mutation($runId: String!) { terminateRun(runId: $runId) { __typename
  ... on TerminateRunFailure { message } } }"""
_STATUS = """query($runId: ID!) { runOrError(runId: $runId) { ... on Run { status } } }"""
_RELOAD = """mutation($name: String!) { reloadRepositoryLocation(repositoryLocationName: $name) {
  __typename ... on WorkspaceLocationEntry { locationOrLoadError { __typename } } } }"""
_STALE = """{ assetNodes { assetKey { path } staleStatus staleCauses {
  key { path } category reason dependency { path } } } }"""
_READY = "{ version }"
_OVER = {"SUCCESS", "FAILURE", "CANCELED"}


class Webserver:
    """A web server over some definitions files, with an instance of its own.

    Args:
        home: An empty folder for the instance.
        files: Definitions files, one code location each.
    """

    def __init__(self, home: Path, files: list[Path]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        options = [option for file in files for option in ("-f", str(file))]
        self._log = (home / "webserver.log").open("wb")
        self._process = subprocess.Popen(
            [Path(sys.executable).with_name("dagster-webserver"), *options, "-p", str(self._port)],
            cwd=home,
            env={**os.environ, "DAGSTER_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "1"},
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._wait_until_ready()

    def launch(self, location: str, job: str, run_config: dict[str, Any]) -> str:
        """Launch a job; return the run's id."""
        selector = {
            "repositoryLocationName": location,
            "repositoryName": "__repository__",
            "jobName": job,
        }
        params = {"selector": selector, "runConfigData": run_config, "mode": "default"}
        return self._launched(self._ask(_LAUNCH, params=params)["launchRun"])

    def reexecute(self, run_id: str, strategy: str) -> str:
        """Re-execute a run; return the new run's id."""
        params = {"parentRunId": run_id, "strategy": strategy}
        return self._launched(self._ask(_REEXECUTE, params=params)["launchRunReexecution"])

    def cancel(self, run_id: str) -> None:
        """Cancel a run, as the button does."""
        result = self._ask(_TERMINATE, runId=run_id)["terminateRun"]
        assert result["__typename"] == "TerminateRunSuccess", result

    def wait(self, run_id: str, within_s: float = 60) -> str:
        """Wait until a run is over; return its status."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            status = self._ask(_STATUS, runId=run_id)["runOrError"]["status"]
            if status in _OVER:
                return status
            time.sleep(0.1)
        raise TimeoutError(f"run {run_id} is still {status}")

    def reload(self, location: str) -> None:
        """Load a code location anew, as the button does."""
        result = self._ask(_RELOAD, name=location)["reloadRepositoryLocation"]
        assert result["locationOrLoadError"]["__typename"] == "RepositoryLocation", result

    def staleness(self) -> dict[str, tuple[str, list[str]]]:
        """Return of each asset whether it is stale, and the kinds of reasons for it."""
        return {
            "/".join(node["assetKey"]["path"]): (
                node["staleStatus"],
                sorted({cause["category"] for cause in node["staleCauses"]}),
            )
            for node in self._ask(_STALE)["assetNodes"]
        }

    def close(self) -> None:
        """End the server and its code servers, which are its own process group."""
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
        self._log.close()

    def _launched(self, result: dict[str, Any]) -> str:
        assert result["__typename"] == "LaunchRunSuccess", result
        return result["run"]["runId"]

    def _ask(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/graphql",
            body,
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode(errors="replace")) from error
        assert "errors" not in answer, answer
        return answer["data"]

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            try:
                self._ask(_READY)
            except OSError:  # noqa: PERF203
                time.sleep(0.1)
            else:
                return
        raise TimeoutError("the web server did not start")
