"""Dagster's own commands on a plain `definitions.py`."""

import json

import dagster as dg
import pytest


@pytest.fixture(scope="module")
def project(copy_of, write_definitions, kedro_python):
    """A project with a `definitions.py` beside its `pyproject.toml`."""
    folder = copy_of("relay")
    write_definitions(folder, kedro_python)
    return folder


def test_validate(project, dagster_command):
    """`dagster definitions validate` accepts the definitions."""
    done = dagster_command(project, "definitions", "validate", "-f", "definitions.py")

    assert done.returncode == 0, done.stderr


def test_list_assets(project, dagster_command):
    """`dagster asset list` shows what the nodes make."""
    done = dagster_command(project, "asset", "list", "-f", "definitions.py")

    assert {"early", "late", "model", "say", "before"} <= set(done.stdout.split())


def test_materialize(project, dagster_command, read_json):
    """`dagster asset materialize --select` makes an asset and what lies above it."""
    done = dagster_command(
        project, "asset", "materialize", "-f", "definitions.py", "--select", "*total"
    )

    assert done.returncode == 0, done.stderr
    assert read_json(project, "total") == 12
    assert not (project / "data/model.json").exists()


def test_execute_job(project, dagster_command):
    """`dagster job execute` runs a registered pipeline, and its results are in the instance."""
    done = dagster_command(project, "job", "execute", "-f", "definitions.py", "-j", "versions")

    assert done.returncode == 0, done.stderr
    (run_id,) = (path.name for path in (project / "data/model.json").iterdir())
    with dg.DagsterInstance.from_config(str(dagster_command.home)) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("quoted"))
    assert event.asset_materialization.metadata["kedro/run_id"].value == run_id


def test_execute_with_configuration(project, dagster_command, read_json):
    """Configuration sets parameters, as the Launchpad does."""
    config = {"resources": {"kedro": {"config": {"parameters": {"factor": 7}}}}}
    done = dagster_command(
        project, "asset", "materialize", "-f", "definitions.py", "--select", "before",
        "--config-json", json.dumps(config),
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert read_json(project, "before") == 7


def test_failing_command(copy_of, write_definitions, kedro_python, dagster_command):
    """A failed node fails the command, which quotes the node's error."""
    folder = copy_of("failing")
    write_definitions(folder, kedro_python)
    done = dagster_command(folder, "job", "execute", "-f", "definitions.py", "-j", "computing")

    assert done.returncode != 0
    assert "Node 'divide' failed while running it: ZeroDivisionError" in done.stderr
