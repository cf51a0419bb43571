"""`only_missing_outputs`, on pipeline `memory` of the project `relay` (see test_selection)."""

import pytest


def started(run):
    return [
        text.split("]")[0].removeprefix("[") for _, text in run.logged if text.endswith("started.")
    ]


@pytest.fixture(scope="module")
def made(copy_of, run_job):
    """A project whose outputs are all there."""
    folder = copy_of("relay")
    assert run_job(folder, "memory").success
    return folder


def test_runs_only_what_has_no_outputs(made, run_job):
    """Everything is there: only the node without outputs runs, as under `kedro run`."""
    run = run_job(made, "memory", only_missing_outputs=True)

    assert run.success, run.errors
    assert ["say"] == started(run)


def test_what_is_there_is_yielded_and_marked(made, run_job):
    """Dagster would skip what depends on an asset that is not yielded."""
    run = run_job(made, "memory", only_missing_outputs=True)

    assert {"numbers", "doubled", "double_note", "total", "say"} == set(run.results)
    assert run.materializations["numbers"]["kedro/already_there"]
    assert "kedro/already_there" not in run.materializations["say"]


def test_missing_output_is_made_with_what_it_needs_in_memory(made, run_job, read_json):
    """`total` is gone: its node runs, and the one that makes its input in memory."""
    (made / "data/total.json").unlink()
    run = run_job(made, "memory", only_missing_outputs=True)

    assert run.success, run.errors
    assert ["double", "add_up", "say"] == started(run)
    assert 12 == read_json(made, "total")
    assert run.materializations["numbers"]["kedro/already_there"]


def test_results_come_in_order_around_what_is_there(made, run_job):
    """The first output is gone, those downstream are there: Dagster takes them in order only."""
    (made / "data/numbers.json").unlink()
    run = run_job(made, "memory", only_missing_outputs=True)

    assert run.success, run.errors
    assert ["count", "say"] == sorted(started(run))
    assert run.materialized.index("numbers") < run.materialized.index("total")
    assert run.materialized.index("total") < run.materialized.index("say")
