"""`composed`: a registry made of its own parts, pipelines made by code, functions of every kind.

by1 and by2: count -> counted (memory) -> scale -> numbers (memory); counted -> describe.
merge -> merged -> mean (memory), max; summarize -> summary (memory); all texts -> report.
"""

import pytest

ENVIRONMENTS = {
    None: 3,
    "namespace": 3,
    "pipeline": 1,
    "tag": 2,
    "staged_namespace": 7,
    "staged_pipeline": 2,
}
"""Kedro environments that differ in dagster.yml only, and how many groups each gives."""
SLOW = {"staged": 11, "explicit": 5}


@pytest.fixture(scope="module")
def composed(run_both):
    """Both runs of the project in an environment, once each."""
    done = {}

    def run(env):
        if env not in done:
            done[env] = run_both("composed", env=env)
        return done[env]

    return run


@pytest.mark.parametrize(
    ("env", "groups"),
    [
        *ENVIRONMENTS.items(),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in SLOW.items()),
    ],
)
def test_outputs_are_equal(composed, env, groups):
    """However the nodes are grouped, and wherever memory is staged, the files are the same."""
    both = composed(env)

    both.assert_equal()
    assert groups == len(both.groups), both.groups
    assert [] == both.staged
