"""`curious`: names that Kedro allows and Dagster forbids, reserves or would mix up."""

import pytest


@pytest.fixture(scope="module")
def curious(run_both):
    """Both runs of the project."""
    return run_both("curious")


def test_outputs_are_equal(curious):
    """Reserved, non-ASCII and almost equal names all reach their own file."""
    curious.assert_equal()


def test_each_node_has_a_process(curious):
    """Nodes `a-b`, `a_b` and `a.b`, or `ns` and `ns.ns`, are never taken for each other."""
    assert 12 == len(curious.groups)
    assert [{"память", "été"}] == [group for group in curious.groups if len(group) > 1]


def test_assets_keep_exact_names(curious):
    """A materialization names the node exactly as Kedro does."""
    nodes = {metadata["kedro/node"] for metadata in curious.run.materializations.values()}

    assert {"context", "a-b", "a_b", "a.b", "größe", "数据.清洗", "été", "ns", "ns.ns"} <= nodes


def test_pipelines_of_such_names_are_jobs(curious, run_job):
    """A pipeline that is called `été` can be run as a job, and a part of it selected."""
    run = run_job(curious.by_dagster, "U_e9_UtU_e9_U", select=["grU_f6_UU_df_Ue"])

    assert run.success, run.errors
    assert ["größe"] == [each["kedro/node"] for each in run.materializations.values()]


def test_explicit_groups(run_both):
    """Such names can be used in `dagster.yml`; one that is too long for a file can be staged."""
    groups = {"config": {"pipelines": ["config", "a-b"]}, "été": {"nodes": ["été", "ns", "ns.ns"]}}
    both = run_both("curious", dagster={"groups": groups, "memory_datasets": "stage"})

    both.assert_equal()
    assert {"été", "ns", "ns.ns"} in both.groups
    assert {"память"} in both.groups
    assert [] == both.staged
