import json
import re

import pytest

LATER = "2999-01-01T00.00.00.000Z"


@pytest.fixture(scope="module")
def versions(copy_of, run_job):
    """A run of three groups in a project that holds a version from the future."""
    folder = copy_of("relay")
    file = folder / "data/model.json" / LATER / "model.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"from": "the future"}))
    run = run_job(folder, "versions")
    assert run.success, run.errors
    return folder, run


def test_one_run_id(versions):
    """All groups save under one version, which is the Kedro run id, in Kedro's format."""
    folder, run = versions

    saved = {path.name for path in (folder / "data").glob("*.json/*")} - {LATER}
    reported = {metadata["kedro/run_id"] for metadata in run.materializations.values()}
    assert saved == reported
    (version,) = saved
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z", version)


def test_versions_are_reported(versions):
    """A versioned dataset's materialization carries its version."""
    _, run = versions

    model = run.materializations["model"]
    assert model["kedro/run_id"] == model["kedro/version"]
    assert "kedro/version" not in run.materializations["quoted"]


def test_consumers_load_this_run(versions, read_json):
    """Consumers load what this run saved, even where a later version exists."""
    folder, _ = versions

    assert read_json(folder, "quoted") == {"model": "this run", "score": "this run"}


def test_retries_save_anew(versions, run_job):
    """Another run saves a version of its own beside the first."""
    folder, first = versions
    second = run_job(folder, "versions")

    assert second.success
    assert (
        first.materializations["model"]["kedro/version"]
        != (second.materializations["model"]["kedro/version"])
    )


def test_load_version_of_the_user(versions, run_job, read_json):
    """A version that the user asks for is loaded, whatever this run saved."""
    folder, _ = versions
    run = run_job(folder, "versions", load_versions={"model": LATER}, select=["score", "quoted"])

    assert run.success, run.errors
    assert read_json(folder, "quoted")["model"] == "the future"
