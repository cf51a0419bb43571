"""Two Kedro projects in one code location, and what one of them makes for the other."""

import dagster as dg
import pytest
from dagster_kedro import KedroOpSpec, KedroProject, build_definitions
from kedro_manifest.codec import write_manifest
from kedro_manifest.errors import DuplicateNameError
from kedro_manifest.model import Dataset


@pytest.fixture
def sales_and_hr(tmp_path, manifest, node):
    """`sales` writes a table that `hr` reads under another name, by an absolute path."""
    shared = tmp_path / "sales/data/revenue.csv"
    written = Dataset(name="revenue", type="T", kind="file", uri="data/revenue.csv")
    read = Dataset(name="income", type="T", kind="file", uri=str(shared), protocol="file")
    manifests = {
        "sales": manifest(node("sum_up", ["orders"], ["revenue"]), datasets=[written]),
        "hr": manifest(node("pay", ["income", "people"], ["wages"]), datasets=[read]),
    }
    projects = []
    for name, content in manifests.items():
        write_manifest(content, tmp_path / name / "manifest.json")
        projects.append(KedroProject(tmp_path / name, key_prefix=name))
    return projects


def test_edge_between_projects(sales_and_hr):
    """The reader depends on the writer's asset: no second asset stands for the same file."""
    graph = build_definitions(*sales_and_hr).resolve_asset_graph()

    keys = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert {"sales/orders", "sales/revenue", "hr/people", "hr/wages"} == keys
    parents = graph.get(dg.AssetKey(["hr", "wages"])).parent_keys
    assert {dg.AssetKey(["sales", "revenue"]), dg.AssetKey(["hr", "people"])} == parents


def test_prefix_keeps_jobs_apart(sales_and_hr):
    """Both projects have a default pipeline; each is a job of its own."""
    definitions = build_definitions(*sales_and_hr)

    for name in ("sales___default__", "hr___default__"):
        assert definitions.resolve_job_def(name)


def test_projects_alone_are_not_linked(sales_and_hr):
    """Without the other project a free input is an external asset again."""
    graph = build_definitions(sales_and_hr[1]).resolve_asset_graph()

    assert dg.AssetKey(["hr", "income"]) in graph.get_all_asset_keys()


def test_free_inputs_can_be_left_to_others(sales_and_hr):
    """Other definitions may make what the project reads."""

    @dg.asset(key=["sales", "orders"])
    def orders():
        """Made by somebody else."""

    ours = build_definitions(sales_and_hr[0], external_assets=False)
    graph = dg.Definitions.merge(ours, dg.Definitions(assets=[orders])).resolve_asset_graph()

    assert graph.get(dg.AssetKey(["sales", "orders"])).is_materializable
    assert {dg.AssetKey(["sales", "orders"])} == graph.get(
        dg.AssetKey(["sales", "revenue"])
    ).parent_keys


def test_one_name_for_several_ops(sales_and_hr):
    """Ops of two projects cannot have one name, and are told so."""
    with pytest.raises(DuplicateNameError, match="Cannot name ops of 2 projects 'both'"):
        build_definitions(*sales_and_hr, op=KedroOpSpec(name="both"))
