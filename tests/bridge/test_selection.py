"""Parts of pipeline `memory` of the project `relay`.

count -> numbers (file) -> double -> doubled (memory) and double_note (file);
doubled -> add_up -> total (file) -> say (no outputs).
"""

import pytest


@pytest.fixture(scope="module")
def counted(copy_of, run_job):
    """A project whose `numbers` were made by an earlier run."""
    folder = copy_of("relay")
    assert run_job(folder, "memory", select=["numbers"]).success
    return folder


@pytest.fixture(scope="module")
def total(counted, run_job):
    """A run of the one asset `total`."""
    return run_job(counted, "memory", select=["total"])


def test_runs_what_is_needed(total):
    """One asset is selected: its node runs, and the one that makes its input in memory."""
    started = [text for _, text in total.logged if text.endswith("started.")]

    assert started == ["[double] started.", "[add_up] started."]


def test_loads_what_is_persisted(total, counted, read_json):
    """What an earlier run saved is loaded, not made again."""
    assert total.success
    assert read_json(counted, "total") == 12
    assert not any("[count]" in text for _, text in total.logged)


def test_result_is_what_was_selected(total):
    """The step's one result is the selected asset: Dagster refuses results for others."""
    assert total.results == ["total"]


def test_made_besides_is_told(total, counted, read_json):
    """What had to be saved besides is told as a fact, since the file has changed."""
    assert read_json(counted, "double_note") == "doubled 3"
    assert "double_note" in total.materialized
    assert total.materializations["double_note"]["kedro/node"] == "double"


def test_selects_a_bare_node(counted, run_job):
    """A node without outputs can be selected alone; its input is loaded."""
    run = run_job(counted, "memory", select=["say"])

    assert run.results == ["say"]
    assert ("INFO", "[say] relay.nodes: the total is 12") in run.logged


def test_selects_memory_data(counted, run_job):
    """In-memory data can be selected, and is marked as made."""
    run = run_job(counted, "memory", select=["doubled"])

    assert run.success
    assert run.results == ["doubled"]


def test_missing_input_is_named(copy_of, run_job):
    """Without the earlier run, the node says which input it could not load."""
    run = run_job(copy_of("relay"), "memory", select=["total"])

    assert "Node 'double' failed while loading 'numbers'" in run.error
