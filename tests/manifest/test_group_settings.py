"""Which settings a planned group gets from the groups of `dagster.yml`."""

import pytest
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration.root import read_orchestration

GROUPS = {
    "small": {"nodes": ["a"], "timeout_s": 10},
    "alike": {"nodes": ["b"], "timeout_s": 10},
    "large": {"nodes": ["c"], "timeout_s": 99, "client": "big"},
}


def test_settings_of_a_group():
    """A planned group that holds one explicit group is run as that one says."""
    orchestration = read_orchestration({"groups": GROUPS})

    assert "big" == orchestration.settings_of_group(["large"]).client
    assert 10 == orchestration.settings_of_group(["alike", "small"]).timeout_s
    assert orchestration.settings_of_group([]).timeout_s is None


def test_contradicting_settings_are_refused():
    """Two groups that became one cannot have two timeouts: nobody could say which counts."""
    orchestration = read_orchestration({"groups": GROUPS})

    with pytest.raises(OrchestrationError, match=r"groups\.small\.client: groups 'large' and"):
        orchestration.settings_of_group(["large", "small"])


def test_threads_within_threads_are_refused():
    """Kedro's thread runner passes over `--async` with a warning; here it is an error."""
    group = {"nodes": ["a"], "runner": "thread", "is_async": True}

    with pytest.raises(OrchestrationError, match=r"groups\.both: .*leave out `is_async`"):
        read_orchestration({"groups": {"both": group}})
