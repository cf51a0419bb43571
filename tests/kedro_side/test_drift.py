"""A worker whose project has changed since the export: it refuses, or warns, and says why."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

NODE = "clean_shuttles"


@pytest.fixture
def invocation(spaceport, export):
    """What a worker of one node is asked to run, as it was exported."""
    manifest = export(spaceport)
    node = next(node for node in manifest["nodes"] if node["name"] == NODE)
    return {
        "group": NODE,
        "nodes": [NODE],
        "pipelines": ["__default__"],
        "kedro_run_id": "2026-01-01T00.00.00.000Z",
        "dagster_run_id": "by-hand",
        "package_name": "spaceport",
        "expected_kedro": manifest["project"]["kedro_version"],
        "expected": [
            {
                "name": NODE,
                "inputs": sorted({*node["inputs"], *node["parameters"]}),
                "outputs": sorted(node["outputs"]),
                "source_hash": node["source_hash"],
            }
        ],
    }


def work(spaceport, invocation, **changes):
    """Run the worker by hand in a process of its own."""
    (spaceport / "invocation.json").write_text(json.dumps({**invocation, **changes}))
    return subprocess.run(
        [sys.executable, "-m", "kedro_pipes", "--invocation", "invocation.json"],
        cwd=spaceport,
        capture_output=True,
        text=True,
        check=False,
    )


def test_unchanged_project_runs(spaceport, invocation):
    """Nothing is said of a project that is as it was exported."""
    result = work(spaceport, invocation)

    assert 0 == result.returncode, result.stderr
    assert "manifest" not in result.stderr


def test_missing_node_is_refused(spaceport, invocation):
    """A node that is gone is named, with the command that cures it."""
    invocation["expected"][0]["name"] = "clean_rockets"
    result = work(spaceport, invocation, nodes=["clean_rockets"])

    assert 1 == result.returncode
    assert "ProjectDriftError: " in result.stderr
    assert "node 'clean_rockets' is gone" in result.stderr
    assert "kedro pipes export" in result.stderr


def test_changed_inputs_are_refused(spaceport, invocation):
    """The difference is shown before anything is loaded or saved."""
    invocation["expected"][0]["inputs"] = ["raw_rockets"]
    result = work(spaceport, invocation)

    assert 1 == result.returncode
    assert "the inputs of node 'clean_shuttles' were ['raw_rockets'] and are [" in result.stderr
    assert "DatasetSaved" not in result.stdout


def test_another_kedro_major_is_refused(spaceport, invocation):
    """A manifest of another major Kedro may mean other names."""
    result = work(spaceport, invocation, expected_kedro="9.9.9")

    assert 1 == result.returncode
    assert "it was exported with Kedro 9.9.9" in result.stderr


def test_drift_can_be_let_through(spaceport, invocation):
    """With `on_drift: warn` the difference is logged and the node runs."""
    invocation["expected"][0]["inputs"] = ["raw_rockets"]
    result = work(spaceport, invocation, on_drift="warn")

    assert 0 == result.returncode, result.stderr
    assert "WARNING" in result.stderr
    assert "no longer matches its manifest" in result.stderr


def test_changed_function_body_only_warns(spaceport, invocation):
    """Editing a function is what development looks like."""
    invocation["expected"][0]["source_hash"] = "0" * 64
    result = work(spaceport, invocation)

    assert 0 == result.returncode, result.stderr
    assert "Node 'clean_shuttles' has another function body" in result.stderr
    assert "It runs as it is now" in result.stderr
    assert "Export it again with `kedro pipes export`" in result.stderr


def test_manifest_of_another_project(spaceport, invocation):
    """Whatever `on_drift` says, nothing is run: both packages are named."""
    result = work(spaceport, invocation, package_name="shop", on_drift="warn")

    assert 1 == result.returncode
    assert "of the package 'shop', while the worker's directory holds the package 'spaceport'" in (
        result.stderr
    )
