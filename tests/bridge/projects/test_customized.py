"""`customized`: loader, catalog and context of the project's own, entries and inputs by hooks."""

import pytest


@pytest.fixture(scope="module", params=[(None, 4), ("staged", 5)], ids=["in_memory", "staged"])
def customized(request, run_both):
    """Both runs of the project, in memory and staged, and how many processes there have to be."""
    env, processes = request.param
    return run_both("customized", env=env), processes


def test_outputs_are_equal(customized):
    """Everything that the project replaces counts in a worker too."""
    both, processes = customized

    both.assert_equal()
    assert processes == len(both.groups), both.groups
    assert [] == both.staged


def test_entries_of_hooks(customized):
    """What a hook adds to the catalog is saved, and what one replaces is what a node gets."""
    both, _ = customized

    assert (both.by_dagster / "data/added.json").is_file()
    assert "and replaced" in (both.by_dagster / "data/shouted.txt").read_text()
