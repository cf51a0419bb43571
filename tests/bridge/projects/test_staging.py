"""In-memory data between processes: what cannot cross, and how it can all the same."""

import json

import pytest


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
