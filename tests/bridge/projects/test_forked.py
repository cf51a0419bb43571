"""`forked`: what a worker that a conductor has forked has of its own, and what it inherits."""

import json
import os
from pathlib import Path

import pytest

WARM = {
    "clients": {"default": {"type": "subprocess", "start": "warm"}},
    "retries": {"max_retries": 1, "on": ["node"]},
}

MOST_PRIVATE_MB = 30


@pytest.fixture(scope="module")
def forked(copy_project, export, run_job):
    """Run the project with forked workers; return its folder and the run."""

    def run(job="__default__", dagster=WARM, **options):
        folder = copy_project("forked")
        (folder / "data").mkdir()
        (folder / "conf/base/dagster.yml").write_text(json.dumps(dagster))
        export(folder)
        finished = run_job(folder, job, **options)
        assert finished.success, finished.errors
        return folder, finished

    return run


@pytest.fixture(scope="module")
def whole(forked):
    """All of the project, run once."""
    return forked()


def told(folder: Path, name: str):
    """Return what a node has told of its process."""
    return json.loads((folder / f"data/{name}.json").read_text())


def test_a_process_of_its_own(whole):
    """Each worker leads a group, has a new process's handlers and threads, and no socket of ours."""
    first, second = (told(whole[0], name) for name in ("first", "second"))

    assert first["process"] != second["process"]
    assert first["parent"] == second["parent"]
    for each in (first, second):
        assert (True, True, True) == (each["leads"], each["sigterm"], each["sigchld"])
        assert (0, 3) == (each["sockets"], each["computed"])


def test_what_hooks_have_set(whole):
    """What a hook has set is there in every worker; what a worker sets is in no other one."""
    first, second = (told(whole[0], name) for name in ("first", "second"))

    assert ["before_pipeline_run"] == first["set"] == second["set"]
    assert first["folder"] == second["folder"]
    assert first["folder_is_there"]
    assert second["folder_is_there"]


def test_memory(whole):
    """What is loaded is shared: a light worker has little memory of its own."""
    for name in ("first", "second"):
        assert told(whole[0], name)["private_mb"] < MOST_PRIVATE_MB


def test_what_is_done_at_the_end(whole):
    """A worker does at its end what its node has asked for; what a hook has is done once."""
    folder = whole[0]

    assert ["conductor", "first", "second"] == sorted(
        (folder / "data/ended").read_text().splitlines()
    )
    assert (folder / "data/first_late").exists()
    assert not Path(told(folder, "first")["folder"]).exists()


def test_random_numbers(whole, forked):
    """Each worker draws numbers of its own; those of a seed that a hook has set are the same."""
    first, second = (told(whole[0], name) for name in ("first", "second"))
    seeded, _ = forked("telling", parameters={"seed": 7})
    as_seeded = [told(seeded, name) for name in ("first", "second")]

    for generator in ("random", "numpy"):
        assert first[generator] != second[generator]
        assert as_seeded[0][generator] == as_seeded[1][generator]


def test_versions(whole):
    """A second attempt saves another version, and who reads it in another worker gets that one."""
    folder, run = whole
    version = run.materializations["model"]["kedro/version"]

    assert run.materializations["model"]["kedro/run_id"] == version
    assert 2 == run.materializations["model"]["kedro/attempt"]
    assert [version] == [each.name for each in (folder / "data/model.pickle").iterdir()]
    assert "fitted" == told(folder, "used")["model"]


def test_a_group_with_variables_of_its_own(forked):
    """It is started anew beside the forked ones, and fires no hook that is once in a run."""
    clients = {"default": {"type": "subprocess", "start": "auto"}}
    groups = {"apart": {"nodes": ["second"], "env": {"APART": "1"}}}
    folder, run = forked(dagster={**WARM, "clients": clients, "groups": groups})
    first, second = (told(folder, name) for name in ("first", "second"))

    assert os.getpid() == second["parent"] != first["parent"]
    assert (["before_pipeline_run"], []) == (first["set"], second["set"])
    assert ["conductor", "first", "second"] == sorted(
        (folder / "data/ended").read_text().splitlines()
    )
    assert {"first", "second", "model", "used"} == set(run.materialized)


@pytest.mark.slow
def test_steps_of_several(forked):
    """In a run of several steps workers are started cold, and the log says why."""
    folder, run = forked("telling", dagster={**WARM, "step_per": "group"})
    said = [text for _, text in run.logged if text.startswith("Workers are started cold: ")]

    assert 2 == len(said)
    assert "this step is one of several of its run" in said[0]
    assert {os.getpid()} == {told(folder, name)["parent"] for name in ("first", "second")}
