"""`stored`: datasets of every kind, each written and read by different processes.

formats: transcoding, CachedDataset, a dataset that loads another type, dict inputs, no outputs.
parts: PartitionedDataset with lazy saves, generators. inbox: IncrementalDataset, confirmed later.
"""

import json
import shutil

import pytest

PLACEMENTS = {
    "in_memory": {},
    "staged": {"memory_datasets": "stage"},
    "by_pipeline": {"memory_datasets": "stage", "grouping": {"strategy": "pipeline"}},
}


@pytest.fixture(scope="module", params=PLACEMENTS)
def stored(request, run_both):
    """Both runs of the project, under Dagster with memory kept and staged, and in three groups."""
    return run_both("stored", dagster=PLACEMENTS[request.param])


def test_outputs_are_equal(stored):
    """Every kind of dataset holds what `kedro run` gives it: partitions, chunks, checkpoints."""
    stored.assert_equal()
    assert [] == stored.staged


def test_confirmer_stays_with_loader(stored):
    """What an incremental dataset has loaded is ticked off by the process that loaded it."""
    assert {"read_new", "answer"} in stored.groups
    assert (stored.by_dagster / "data/01_raw/inbox/CHECKPOINT").read_text() == "b"


def test_versions_are_reported(stored):
    """The version of a versioned dataset is known, also of one that is cached."""
    for name in ("model", "cached"):
        metadata = stored.run.materializations[name]
        assert metadata["kedro/run_id"] == metadata.get("kedro/version"), name


def test_second_run_reads_what_is_new(run_both, kedro_run, run_job):
    """An incremental dataset goes on from where the last run was confirmed."""
    both = run_both("stored", "inbox")
    by_kedro = both.by_kedro.with_name("second")
    shutil.copytree(both.by_kedro, by_kedro)
    for folder in (by_kedro, both.by_dagster):
        (folder / "data/01_raw/inbox/c.json").write_text('{"text": "again"}')
    kedro_run(by_kedro, "--pipelines=inbox")
    run = run_job(both.by_dagster, "inbox")

    assert run.success, run.errors
    both._replace(by_kedro=by_kedro).assert_equal()
    assert json.loads((both.by_dagster / "data/answers.json").read_text()) == {"c": "re: again"}
