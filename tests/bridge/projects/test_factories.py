"""`stored` in its environment `catch_all`: every dataset from a factory, and versioned.

begin -> one -> extend -> two -> extend_again -> cached_three -> extend_more -> four@json;
four@same -> extend_most -> north.five.
"""

import json
from pathlib import Path

import dagster as dg
import pytest

LATER = "2999-01-01T00.00.00.000Z"
FILES = {
    "two": Path("data/all/two.json"),
    "cached_three": Path("data/cached/three.json"),
    "four": Path("data/transcoded/four.json"),
}
CONSUMERS = {"two": "cached_three", "cached_three": "four", "four": "north/five"}
LINKS = {"two": 2, "cached_three": 3, "four": 4}


@pytest.fixture(scope="module")
def instance():
    """Remembers materializations from run to run."""
    return dg.DagsterInstance.ephemeral()


@pytest.fixture(scope="module")
def chain(run_both, instance):
    """Both runs of the project."""
    return run_both("stored", "chain", env="catch_all", kedro_env="catch_all", instance=instance)


@pytest.fixture(scope="module")
def intruded(chain):
    """The same, after somebody else has written later versions, which no Dagster run reported."""
    for file in FILES.values():
        intruder = chain.by_dagster / file / LATER / file.name
        intruder.parent.mkdir()
        intruder.write_text(json.dumps({"links": ["intruder"]}))
    return chain.by_dagster


@pytest.fixture(scope="module")
def run_part(intruded, run_job, instance):
    """Run one asset of the chain on another day; return what it holds."""

    def run(asset, **options):
        finished = run_job(
            intruded, "chain", select=[asset], instance=instance,
            project_options={"env": "catch_all"}, **options,
        )  # fmt: skip
        assert finished.success, finished.errors
        version = finished.materializations[asset]["kedro/version"]
        (file,) = (intruded / "data").rglob(f"*/{version}/*.json")
        return json.loads(file.read_text())["links"]

    return run


def test_outputs_are_equal(chain):
    """Factories, the catch-all too, resolve in a worker as in `kedro run`, and version."""
    chain.assert_equal()


def test_every_consumer_is_pinned(chain):
    """Each version is that of the run, and every dataset reports it."""
    for name in ("one", "two", "cached_three", "four", "north/five"):
        metadata = chain.run.materializations[name]
        assert metadata["kedro/run_id"] == metadata.get("kedro/version"), name


@pytest.mark.parametrize("loaded", FILES)
def test_another_day(run_part, loaded):
    """A consumer that is run alone loads the version that Dagster last saw, not the latest."""
    assert LINKS[loaded] + 1 == len(run_part(CONSUMERS[loaded]))


@pytest.mark.parametrize("loaded", ["two", "four@same"])
def test_load_versions_win(run_part, loaded):
    """What the user asks for in the Launchpad is loaded, whatever Dagster last saw."""
    consumer = CONSUMERS[loaded.partition("@")[0]]
    links = run_part(
        consumer,
        run_config={"resources": {"kedro": {"config": {"load_versions": {loaded: LATER}}}}},
    )

    assert ["intruder", "next"] == links
