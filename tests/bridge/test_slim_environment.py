"""A group runs in an environment that lacks the libraries of the project's other groups."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from dagster_kedro import KedroSubprocessClient

PROJECT = Path(__file__).parents[1] / "projects/two_worlds"


@pytest.fixture
def two_worlds(tmp_path, kedro_python):
    """The project, exported where the large library is, to be run where it is not."""
    folder = tmp_path / "two_worlds"
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("__pycache__", "library"))
    (folder / "conf/local").mkdir(exist_ok=True)
    (folder / "data").mkdir()
    (folder / "data/start.json").write_text(json.dumps([1, 2, 3]))
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "library")}
    command = [kedro_python, "-m", "kedro_pipes", "export"]
    subprocess.run(command, cwd=folder, env=environment, check=True)
    return folder


def test_only_what_a_group_needs_is_loaded(two_worlds, run_job, read_json):
    """The light node runs though the heavy one's code and dataset cannot be imported.

    Two pipelines hold it and nothing else; only `light` can be loaded without all others.
    """
    run = run_job(two_worlds, "__default__", select=["counted"])

    assert run.success, run.errors
    assert {"count": 3} == read_json(two_worlds, "counted")


def test_what_is_needed_and_missing_is_named(two_worlds, run_job):
    """The heavy node fails in that environment, and says for want of what."""
    run = run_job(two_worlds, "heavy")

    assert not run.success
    assert "heavylib" in run.error


def test_each_group_runs_where_its_library_is(two_worlds, run_job):
    """With the library on the worker's path the whole project runs."""
    client = KedroSubprocessClient(env={"PYTHONPATH": str(PROJECT / "library")})
    run = run_job(two_worlds, "__default__", client=client)

    assert run.success, run.errors
    assert "3 kg" == (two_worlds / "data/weighed.txt").read_text()
