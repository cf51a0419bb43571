"""Jobs of a project's dagster.yml, executed as `dagster job execute` does, by real workers."""

import dagster as dg
import pytest

DEFINITIONS = """\
from pathlib import Path

from dagster_kedro import KedroProject, build_definitions

project = KedroProject(Path(__file__).parent, python={python!r}, env="jobs")
defs = build_definitions(project)
"""


@pytest.fixture
def folder(copy_of, export, kedro_python):
    """A project with jobs, and its definitions."""
    folder = copy_of("composed")
    export(folder, "--env", "jobs")
    (folder / "definitions.py").write_text(DEFINITIONS.format(python=str(kedro_python)))
    return folder


def execute(dagster_command, folder, job):
    """Run a job; return the entries of its log.

    Not what the command prints: a process of Dagster's mirrors a step's output, and is ended with it,
    at times before the last lines.
    """
    done = dagster_command(folder, "job", "execute", "-f", "definitions.py", "-j", job)
    assert 0 == done.returncode, done.stderr
    with dg.DagsterInstance.from_config(str(dagster_command.home)) as instance:
        (run,) = instance.get_runs(filters=dg.RunsFilter(job_name=job))
        entries = instance.all_logs(run.run_id)
    return [f"{each.dagster_event_type} {each.message}" for each in entries]


def counted(word, entries):
    return sum(word in each for each in entries)


@pytest.mark.slow
def test_a_job_of_a_factory(folder, dagster_command):
    """It runs its namespace only, in process, with its parameters; its logger hears the worker."""
    said = execute(dagster_command, folder, "by2__counting")

    assert counted("Executing steps in process", said)
    assert "2 times 2" == (folder / "data/by2/described.txt").read_text()
    assert not (folder / "data/by1").exists()
    logged = (folder / "audit.log").read_text()
    assert "INFO - by2__counting - " in logged
    assert "[by2.describe] finished in" in logged


@pytest.mark.slow
def test_multiprocess_with_a_step_for_each_group(folder, dagster_command):
    """Dagster gives each group a step process of its own, and what is staged crosses."""
    said = execute(dagster_command, folder, "apart")

    assert counted("Executing steps using multiprocess executor", said)
    assert 2 == counted("STEP_SUCCESS", said)
    assert "10 times 1" == (folder / "data/by1/described.txt").read_text()
    assert [] == list(folder.glob(".kedro-pipes/staging/*"))


@pytest.mark.slow
def test_without_an_executor(folder, dagster_command):
    """A step that is alone takes no second process; of several each has one, as by Dagster."""
    alone = execute(dagster_command, folder, "alone")
    together = execute(dagster_command, folder, "together")

    assert counted("Executing steps in process", alone)
    assert not counted("STEP_WORKER_STARTING", alone)
    assert 2 == counted("STEP_WORKER_STARTING", together)
    assert "10 times 1" == (folder / "data/by1/described.txt").read_text()
