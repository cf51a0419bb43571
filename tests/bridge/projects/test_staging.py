"""In-memory data between processes: what cannot cross, what is cleaned up, what a failure keeps."""

import importlib
import json

import dagster as dg
import pytest

JOB = """\
from pathlib import Path

from dagster_kedro import KedroProject, build_definitions

project = KedroProject(Path(__file__).parent, python={python!r}, env="staged")
definitions = build_definitions(project)


def resume():
    return definitions.resolve_job_def("resume")
"""


@pytest.fixture
def staged(copy_project, export):
    """A project whose in-memory data is staged, exported in one of its environments."""

    def make(env="staged"):
        folder = copy_project("composed")
        export(folder, "--env", env)
        return folder

    return make


def test_unpicklable_value(staged, run_job):
    """A lambda that is staged by name cannot be pickled: the error names all, and the cure."""
    run = run_job(staged("forced"), "unsafe", project_options={"env": "forced"})

    assert not run.success
    assert "Node 'make_rule' failed while saving 'rule'" in run.error
    assert "Cannot stage dataset 'rule': its value, a builtins.function, cannot be" in run.error
    assert "`memory_datasets: {rule: group}`" in run.error


@pytest.mark.parametrize(
    ("env", "processes"), [("staged", 1), ("together", 1), ("cloudpickled", 2)]
)
def test_cures_of_unpicklable_value(staged, run_job, env, processes):
    """It stays in its process where nothing else is said, and crosses where it can be pickled."""
    folder = staged(env)
    run = run_job(folder, "unsafe", project_options={"env": env})

    assert run.success, run.errors
    assert [4, 5] == json.loads((folder / "data/allowed.json").read_text())
    assert processes == len(set(run.process_ids.values()))
    assert [] == [*folder.glob("staged files/*"), *folder.glob(".kedro-pipes/staging/*")]


@pytest.fixture
def job(staged, kedro_python, monkeypatch):
    """A job that Dagster can execute again, and its folder."""
    folder = staged()
    (folder / "job_of_staged_project.py").write_text(JOB.format(python=str(kedro_python)))
    monkeypatch.syspath_prepend(folder)
    return dg.reconstructable(importlib.import_module("job_of_staged_project").resume), folder


def test_failure_keeps_what_was_staged(job, staged_in):
    """A re-execution from failure loads what the failed run staged, and cleans up after it."""
    job, folder = job
    in_process = {"execution": {"config": {"in_process": {}}}}
    from_failure = {"dagster/is_resume_retry": "true"}  # as the web interface marks it
    with dg.DagsterInstance.local_temp() as instance:
        failed = dg.execute_job(job, instance, run_config=in_process)
        kept = [file.name for run in staged_in(folder) for file in run.iterdir()]
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data/go").touch()
        again = dg.ReexecutionOptions.from_failure(failed.run_id, instance)
        resumed = dg.execute_job(
            job, instance, run_config=in_process, reexecution_options=again, tags=from_failure
        )
        prepared = instance.get_latest_materialization_event(dg.AssetKey("prepared"))
        metadata = prepared.asset_materialization.metadata

    assert not failed.success
    assert ["prepared.pickle"] == kept
    assert resumed.success
    assert metadata["kedro/kept_from_run"].value == failed.run_id
    assert json.loads((folder / "data/prepared_by.json").read_text()) == (
        metadata["kedro/process_id"].value
    )
    assert [] == staged_in(folder)
