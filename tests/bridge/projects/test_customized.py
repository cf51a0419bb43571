"""`customized`: loader, catalog and context of the project's own, entries and inputs by hooks."""

import pytest


@pytest.fixture(scope="module", params=[None, "staged"])
def customized(request, run_both):
    """Both runs of the project, in memory and staged."""
    return run_both("customized", env=request.param)


def test_outputs_are_equal(customized):
    """Everything that the project replaces counts in a worker too."""
    customized.assert_equal()
    assert [] == customized.staged


def test_entries_of_hooks(customized):
    """What a hook adds to the configuration is known; what it adds to the catalog is saved."""
    assert {"replace"} in customized.groups or {"give"} in customized.groups
    assert (customized.by_dagster / "data/added.json").is_file()
    assert "and replaced" in (customized.by_dagster / "data/shouted.txt").read_text()
