"""Partitions through real workers: what is saved, where, and what Dagster is told of it."""

import json

import dagster as dg
import pytest
from dagster_kedro import KedroSubprocessClient, build_definitions

RANGE = {
    "dagster/asset_partition_range_start": "2013-01",
    "dagster/asset_partition_range_end": "2013-03",
}
MONTHS = ["2013-01", "2013-02", "2013-03", "2013-04"]


@pytest.fixture(scope="module")
def almanac(copy_of):
    """The project whose nodes make months, and its definitions."""
    return copy_of("almanac")


@pytest.fixture(scope="module")
def run(almanac, open_project, finished_run):
    """Run a job for a partition or a range."""
    definitions = build_definitions(open_project(almanac), client=KedroSubprocessClient())
    instance = dg.DagsterInstance.ephemeral()

    def execute(job, *, select=None, only_missing_outputs=False, parameters=None, **options):
        config = {"only_missing_outputs": only_missing_outputs, "parameters": parameters or {}}
        result = definitions.resolve_job_def(job).execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config={"resources": {"kedro": {"config": config}}},
            asset_selection=[dg.AssetKey(key) for key in select] if select else None,
            **options,
        )
        return finished_run(result, instance)

    return execute


def partitions(finished):
    """Assets and partitions that a run materialized, sorted."""
    events = [entry.dagster_event for entry in finished.entries if entry.dagster_event]
    return sorted(
        (event.asset_key.to_user_string(), event.partition or "")
        for event in events
        if event.is_step_materialization
    )


def data_versions(finished):
    """The versions that a run gave its materializations."""
    events = [entry.dagster_event for entry in finished.entries if entry.dagster_event]
    made = [event.materialization for event in events if event.is_step_materialization]
    return {each.tags["dagster/data_version"] for each in made}


def write(folder, name, content):
    file = folder / "data" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def files(folder, name):
    return sorted(file.stem for file in (folder / "data" / name).glob("*.json"))


def test_one_partition(run, almanac):
    """A run of a month makes that month, whether it is a partition or a file of its own."""
    finished = run("amounts", partition_key="2013-04")

    assert finished.success, finished.errors
    expected = [("amounts", "2013-04"), ("later", "2013-04"), ("total", "2013-04")]
    assert expected == partitions(finished)
    assert ["2013-04"] == files(almanac, "amounts") == files(almanac, "total")
    assert 81 == json.loads((almanac / "data/total/2013-04.json").read_text())


def test_range(run, almanac):
    """A run of a range makes all of its months, the lazily saved ones as well."""
    finished = run("amounts", tags=RANGE, select=["amounts", "later"])

    assert finished.success, finished.errors
    assert [(name, month) for name in ("amounts", "later") for month in MONTHS[:3]] == partitions(
        finished
    )
    assert set(MONTHS[:3]) < set(files(almanac, "later"))


def test_failure_within_a_range(run, almanac):
    """Of chunks, those that were saved before the node failed are reported, and no others."""
    finished = run("chunks", tags=RANGE, parameters={"fail_at": "2013-03"})

    assert "no orders of 2013-03" in finished.error
    assert [("chunks", "2013-01"), ("chunks", "2013-02")] == partitions(finished)
    assert ["2013-01", "2013-02"] == files(almanac, "chunks")


def test_range_in_chunks(run, almanac):
    """Chunks of a generator node make up the whole range."""
    finished = run("chunks", tags=RANGE)

    assert finished.success, finished.errors
    assert [("chunks", month) for month in MONTHS[:3]] == partitions(finished)
    assert MONTHS[:3] == files(almanac, "chunks")


def test_the_version_of_chunks(run, almanac):
    """It is that of the partitions that a run has written, whatever else is in the folder."""
    first = run("chunks", tags=RANGE)
    write(almanac, "chunks/1999-01.json", [1])
    again = run("chunks", tags=RANGE)
    (almanac / "data/chunks/1999-01.json").unlink()
    one = run("chunks", partition_key="2013-01")

    assert 1 == len(data_versions(first)) == len(data_versions(one))
    assert data_versions(first) == data_versions(again) != data_versions(one)


def test_versions_of_a_partition(run, almanac):
    """A consumer loads the model of its own month, though that of another is newer."""
    for month, total in [("2013-01", 21), ("2013-02", 41)]:
        write(almanac, f"total/{month}.json", total)
        assert run("models", select=["model"], partition_key=month).success
    finished = run("models", select=["verdict"], partition_key="2013-01")

    assert finished.success, finished.errors
    judged = json.loads((almanac / "data/verdict/2013-01.json").read_text())
    assert {"model": 21, "key": "2013-01"} == judged


def test_only_missing(run, almanac):
    """With only missing outputs a partition that is there is left out, another is made."""
    write(almanac, "amounts/2013-02.json", [])
    (almanac / "data/amounts/2013-03.json").unlink(missing_ok=True)
    wanted = {"select": ["amounts"], "only_missing_outputs": True}
    there = run("amounts", partition_key="2013-02", **wanted)
    made = run("amounts", partition_key="2013-03", **wanted)

    assert "split" not in there.process_ids
    assert "split" in made.process_ids
    assert [("amounts", "2013-02")] == partitions(there)
    assert [("amounts", "2013-03")] == partitions(made)


@pytest.mark.slow
def test_backfill(copy_of, kedro_python, write_definitions, dagster_command):
    """A backfill of a job is a run for each month, and each makes its own."""
    folder = copy_of("almanac")
    write_definitions(folder, kedro_python)
    # Without the queue, which the daemon empties.
    (dagster_command.home / "dagster.yaml").write_text(
        "run_coordinator: {module: dagster.core.run_coordinator, class: DefaultRunCoordinator}\n"
    )
    months = ["--partitions", ",".join(MONTHS[:2])]
    done = dagster_command(
        folder, "job", "backfill", "-f", "definitions.py", "-j", "chunks", "--noprompt", *months
    )

    assert 0 == done.returncode, done.stderr
    with dg.DagsterInstance.from_config(str(dagster_command.home)) as instance:
        made = instance.fetch_materializations(dg.AssetKey("chunks"), limit=10).records
    assert MONTHS[:2] == sorted(each.asset_materialization.partition for each in made)
    assert MONTHS[:2] == files(folder, "chunks")
