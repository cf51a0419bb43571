"""What orchestrators of every release so far have asked, with this worker; see tools/freeze_release.py."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from dagster_pipes import (
    DAGSTER_PIPES_CONTEXT_ENV_VAR,
    DAGSTER_PIPES_MESSAGES_ENV_VAR,
    encode_param,
)
from kedro_manifest.invocation import EXTRAS_KEY

RELEASES = sorted((Path(__file__).parents[1] / "fixtures").iterdir())

pytestmark = pytest.mark.newest  # a worker refuses what another major version of Kedro has exported


@pytest.fixture
def ask(tmp_path, run_command):
    """Start a worker in a folder with a Pipes context; return its exit code and what it answers."""

    def ask_worker(folder, context):
        asked, answers = tmp_path / "asked.json", tmp_path / "answers.jsonl"
        asked.write_text(json.dumps(context))
        answers.write_bytes(b"")
        variables = {
            DAGSTER_PIPES_CONTEXT_ENV_VAR: encode_param({"path": str(asked)}),
            DAGSTER_PIPES_MESSAGES_ENV_VAR: encode_param({"path": str(answers)}),
        }
        result = run_command([sys.executable, "-m", "kedro_pipes"], folder, **variables)
        return result.returncode, list(map(json.loads, answers.read_bytes().splitlines()))

    return ask_worker


@pytest.fixture
def release(request, tmp_path):
    """The folder of a release, and a copy of its project."""
    project = tmp_path / "project"
    shutil.copytree(request.param / "project", project)
    return request.param, project


def told(answers):
    """What a worker has told of assets, checks and failures; the rest may change."""
    kept = []
    for method, params in ((each["method"], each["params"]) for each in answers):
        if method.startswith("report_asset"):
            names = ("asset_key", "check_name", "passed", "severity", "data_version")
            kept.append((method, *(params.get(name) for name in names)))
        event = params.get("payload", {}).get("kedro_pipes_event", {})
        if event.get("event") in {"NodeFailed", "PartitionsSaved"}:
            names = ("event", "node", "dataset", "partitions", "error_type", "message")
            kept.append(tuple(event.get(name) for name in names))
    return kept


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name, indirect=True)
def test_what_was_asked_is_done(release, ask):
    """Each worker exits as it did, and tells the same of assets, checks and failures."""
    frozen, project = release
    for run in sorted(frozen.glob("*/run.json")):
        for group, code in json.loads(run.read_text())["exits"].items():
            asked = json.loads(run.with_name(f"{group}.asked.json").read_text())
            before = run.with_name(f"{group}.answers.jsonl").read_text().splitlines()
            exit_code, answers = ask(project, asked)

            assert code == exit_code, answers
            assert told(map(json.loads, before)) == told(answers)


@pytest.mark.parametrize("release", RELEASES[-1:], ids=lambda path: path.name, indirect=True)
def test_a_newer_orchestrator(release, ask):
    """A field that this worker does not know is passed over, and said to be."""
    frozen, project = release
    asked = json.loads((frozen / "1-amounts/add_up.asked.json").read_text())
    asked["extras"][EXTRAS_KEY] |= {
        "later_field": True,
        "protocol_version": "1.99",
        "sender": "future 9",
    }

    exit_code, answers = ask(project, asked)

    assert 0 == exit_code
    logged = [each["params"] for each in answers if each["method"] == "log"]
    (warning,) = [each for each in logged if "`later_field`" in each["message"]]
    assert "WARNING" == warning["level"]
    assert "Passed over `later_field` of what future 9 asks" in warning["message"]
    assert "Upgrade kedro-dagster-pipes in the worker's environment" in warning["message"]
