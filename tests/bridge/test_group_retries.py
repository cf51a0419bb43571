"""Groups that are tried again within their step, with real workers and real files."""

import json

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def retry(copy_of, export, run_job):
    """Run a job of the misbehaving project under a `dagster.yml`; its `remake` fails once."""

    def run(job, *, rename=None, **content):
        folder = copy_of("misbehaving")
        (folder / "data").mkdir()
        (folder / "data/allowed").touch()
        (folder / "data/fail_once").touch()
        (folder / "conf/base/dagster.yml").write_text(json.dumps(content))
        export(folder)
        if rename:
            registry = folder / "src/misbehaving/pipeline_registry.py"
            registry.write_text(registry.read_text().replace(f'name="{rename}"', 'name="other"'))
        return folder, run_job(folder, job)

    return run


def attempts(run):
    """Return the attempt that made each asset, in the order of the event log."""
    events = [entry.dagster_event for entry in run.entries if entry.dagster_event]
    found = [each.materialization for each in events if each.is_step_materialization]
    return [
        (
            each.asset_key.to_user_string(),
            each.metadata["kedro/attempt"].value if "kedro/attempt" in each.metadata else 1,
        )
        for each in found
    ]


def test_the_rest_of_a_group(retry):
    """What the first attempt has saved is loaded in its version, and saved no second time."""
    together = {"nodes": ["fit", "score", "report"], "retries": 1}
    folder, run = retry("resuming", groups={"all": together})

    assert run.success, run.errors
    assert [("model", 1), ("score", 2), ("report", 2)] == attempts(run)
    (version,) = (folder / "data/model.pickle").iterdir()
    assert version.name == run.materializations["model"]["kedro/version"]
    assert "xx" == (folder / "data/attempts").read_text()


def test_data_in_memory_is_made_again(retry):
    """Its node saves a second version of what it writes besides, and readers get that one."""
    folder, run = retry("remaking", retries={"max_retries": 1, "on": ["node"]})

    assert run.success, run.errors
    assert [("kept", 1), ("kept", 2)] == [each for each in attempts(run) if each[0] == "kept"]
    versions = sorted(path.name for path in (folder / "data/kept.json").iterdir())
    assert 2 == len(versions)
    assert versions[1] == run.materializations["kept"]["kedro/version"]
    remade, read_back = (
        json.loads((folder / f"data/{name}.json").read_text()) for name in ("remade", "read_back")
    )
    assert remade == read_back["before"]


def test_a_kind_that_is_not_asked_for(retry):
    """A node that fails is not tried again where only lost workers are."""
    folder, run = retry("resuming", retries={"max_retries": 5, "on": ["evicted", "preempted"]})

    assert not run.success
    assert "x" == (folder / "data/attempts").read_text()


def test_a_project_that_has_changed(retry):
    """A worker that refuses its nodes would do so again: there is one attempt, and a reason."""
    _, run = retry("resuming", rename="fit", retries=3)

    assert "WorkerRefusedError" in run.error
    assert "node 'fit' is gone" in run.error
    assert 1 == sum(text.startswith("[fit] Worker started") for _, text in run.logged)
