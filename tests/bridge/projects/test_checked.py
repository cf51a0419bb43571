"""Validators of the catalog and checks of `dagster.yml`, run by Kedro and told by Dagster.

`checked`: raw is validated when it is read; numbers, doubled and sorted_once when they are written
and read; total with a warning. One validator writes down each call.
"""

import json
from collections import Counter

import dagster as dg
import pytest

CHECKS = {
    "*": {"not_empty": True},
    "total": {"not_empty": False},
    "numbers": {"reported": ["has_some"]},
    "note": {"reported": ["is_short"]},
}
PLACEMENTS = {
    "apart": {"memory_datasets": "stage"},
    "together": {"memory_datasets": "stage", "grouping": {"strategy": "pipeline"}},
}
DOWNSTREAM = {"doubled", "sorted_once", "total", "note"}


class Checked:
    """The project after a run."""

    def __init__(self, folder, run):
        self.folder = folder
        self.run = run
        self.evaluations = [
            entry.dagster_event.event_specific_data
            for entry in run.entries
            if entry.is_dagster_event
            and entry.dagster_event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ]

    @property
    def results(self):
        """What each check of each asset came to at last."""
        return {
            (each.asset_key.to_user_string(), each.check_name): (each.passed, each.severity.value)
            for each in self.evaluations
        }

    @property
    def calls(self):
        """How often each dataset was validated."""
        return Counter((self.folder / "data/calls.log").read_text().split())


@pytest.fixture
def run_with(copy_of, export, run_job):
    """Run the project with some parameters, in a process for each node, or in one for all."""

    def run(placement, **parameters):
        folder = copy_of("checked")
        dagster = {"checks": CHECKS, **PLACEMENTS[placement]}
        (folder / "conf/base/dagster.yml").write_text(json.dumps(dagster))
        (folder / "conf/base/parameters.yml").write_text(json.dumps({"added": [], **parameters}))
        export(folder)
        return Checked(folder, run_job(folder, "__default__"))

    return run


@pytest.mark.slow
def test_validated_as_often_as_by_kedro(run_with, copy_of, kedro_run):
    """Each check has a result, and Kedro validates as often as in one `kedro run`."""
    checked = run_with("apart", added=[4])
    by_kedro = copy_of("checked")
    (by_kedro / "conf/base/parameters.yml").write_text('{"added": [4]}')
    kedro_run(by_kedro)

    assert checked.run.success, checked.run.errors
    error, warning = "ERROR", "WARN"
    assert checked.results == {
        ("raw", "validator"): (True, error),
        ("numbers", "validator"): (True, error),
        ("numbers", "not_empty"): (True, error),
        ("numbers", "has_some"): (True, error),
        ("doubled", "validator"): (True, error),
        ("doubled", "not_empty"): (True, error),
        ("sorted_once", "validator"): (True, error),
        ("sorted_once", "not_empty"): (True, error),
        ("total", "validator"): (False, warning),
        ("note", "is_short"): (True, error),
        ("note", "unheard_of"): (False, warning),
        ("note", "not_empty"): (True, error),
        ("apart", "not_empty"): (True, error),
    }
    assert Counter((by_kedro / "data/calls.log").read_text().split()) == checked.calls
    told = [text for _, text in checked.run.logged if "Check 'unheard_of' of 'note' failed" in text]
    assert 1 == len(told)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_an_empty_dataset_stops_what_reads_it(run_with, placement):
    """What was saved stays; nothing that reads it is run, in the same process or in another."""
    checked = run_with(placement, added=None)

    assert not checked.run.success
    assert "blocking check 'not_empty' of 'numbers' failed" in checked.run.error
    assert (False, "ERROR") == checked.results["numbers", "not_empty"]
    assert (True, "ERROR") == checked.results["numbers", "validator"]
    assert "numbers" in checked.run.materialized
    assert DOWNSTREAM.isdisjoint(checked.run.materialized)
    assert {"raw": 1, "numbers": 1} == checked.calls
    assert [] == [text for _, text in checked.run.logged if text.startswith("[double]")]


def test_what_validation_refuses_is_not_saved(run_with):
    """A dataset that Kedro refuses to save fails its check and its node, and stops what reads it."""
    checked = run_with("together", added=[-1])

    assert not checked.run.success
    assert "blocking check 'validator' of 'numbers' failed" in checked.run.error
    assert "negative: [-1]" in checked.run.error
    (failed,) = (each for each in checked.evaluations if not each.passed)
    assert ("numbers", "validator") == (failed.asset_key.to_user_string(), failed.check_name)
    assert "negative: [-1]" in failed.metadata["kedro/reason"].value
    assert not (checked.folder / "data/numbers.json").exists()
    assert (DOWNSTREAM | {"numbers"}).isdisjoint(checked.run.materialized)
