"""Exports as users make them: the command, in a process of its own, in a real project."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RELAY = Path(__file__).parents[1] / "projects/relay"
EXPORT = [sys.executable, "-m", "kedro_pipes", "export"]


def run(command, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a project's folder; nothing of this test run leaks into it."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, "KEDRO_DISABLE_TELEMETRY": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def export():
    """Export the project in a folder and return the manifest as plain data."""

    def export_project(folder: Path, *options: str, **environment: str):
        result = run([*EXPORT, "-o", "-", *options], folder, **environment)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    return export_project


@pytest.fixture
def try_export():
    """Export the project in a folder and return the finished process, whatever came of it."""

    def try_export_project(folder: Path, *options: str, **environment: str):
        return run([*EXPORT, *options], folder, **environment)

    return try_export_project


@pytest.fixture
def run_command():
    """Run any command in a folder."""
    return run


@pytest.fixture
def kedro() -> Path:
    """Kedro's own command in this environment."""
    return Path(sys.executable).with_name("kedro")


@pytest.fixture
def work(tmp_path, run_command):
    """Run nodes of `relay` in one worker, by hand; return the exit code and what it reports."""

    def run(pipeline, *nodes, **fields):
        folder = tmp_path / "relay"
        shutil.copytree(RELAY, folder, ignore=shutil.ignore_patterns("__pycache__", "data"))
        (folder / "conf/local").mkdir(exist_ok=True)
        invocation = {
            "group": pipeline,
            "nodes": list(nodes),
            "pipelines": [pipeline],
            "kedro_run_id": "2026-01-01T00.00.00.000Z",
            "dagster_run_id": "by-hand",
            "package_name": "relay",
            **fields,
        }
        (folder / "pyproject.toml").unlink()
        (folder / "invocation.json").write_text(json.dumps(invocation))
        command = [sys.executable, "-m", "kedro_pipes", "--invocation", "invocation.json"]
        result = run_command(command, folder, PYTHONPATH=str(folder / "src"))
        lines = [line for line in result.stdout.splitlines() if line.startswith("{")]
        return result.returncode, [json.loads(line) for line in lines]

    return run
