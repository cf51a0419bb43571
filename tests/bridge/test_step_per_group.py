"""Each group or pipeline as a step of its own: in-memory data and versions cross between steps."""

import json

import dagster as dg
import pytest
from dagster_kedro import build_definitions

DEFINITIONS = """\
from pathlib import Path

from dagster_kedro import KedroProject, build_definitions

project = KedroProject(Path(__file__).parent, python={python!r}, env="staged")
defs = build_definitions(project, pipelines=["etl"], step_per="group")
"""


@pytest.fixture
def staged(copy_of, export):
    """A project whose in-memory data is staged."""
    folder = copy_of("composed")
    export(folder, "--env", "staged")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("step_per", "steps_of"), [("group", len), ("pipeline", lambda _: 2)])
def test_in_process(staged, open_project, run_definitions, step_per, steps_of):
    """What a step has staged is loaded by others, and removed at the end."""
    project = open_project(staged, env="staged")
    definitions = build_definitions(project, pipelines=["etl"], step_per=step_per)
    run = run_definitions(definitions, "__ASSET_JOB")

    assert run.success, run.errors
    assert 16 == json.loads((staged / "data/largest.json").read_text())
    steps = [
        event.step_key
        for entry in run.entries
        if (event := entry.dagster_event) and event.event_type == dg.DagsterEventType.STEP_SUCCESS
    ]
    assert len(run.process_ids) > 3
    assert steps_of(run.process_ids) == len(steps)
    assert [] == list(staged.glob(".kedro-pipes/staging/*"))


@pytest.mark.slow
def test_multiprocess(staged, kedro_python, dagster_command):
    """Dagster's multiprocess executor gives each step a process, and the result is the same."""
    (staged / "definitions.py").write_text(DEFINITIONS.format(python=str(kedro_python)))
    done = dagster_command(staged, "job", "execute", "-f", "definitions.py", "-j", "__ASSET_JOB")

    assert 0 == done.returncode, done.stderr
    assert 16 == json.loads((staged / "data/largest.json").read_text())
    assert [] == list(staged.glob(".kedro-pipes/staging/*"))
