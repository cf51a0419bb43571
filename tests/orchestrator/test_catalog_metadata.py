"""How assets look of which the catalog's `metadata:` says something."""

import dagster as dg
import pytest
from dagster_kedro import build_definitions
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.model import Dataset
from kedro_manifest.preflight.check import check_manifest


@pytest.fixture
def shop(project, node):
    """A project of one node, with metadata in the catalog."""

    def make(metadata, read="orders", **orchestration):
        def dataset(name):
            return Dataset(
                name=name,
                type="pandas.CSVDataset",
                kind="file",
                uri=f"data/{name}.csv",
                metadata=metadata if name == read else {},
            )

        return project(
            node("clean", ["raw"], ["orders"], tags=["daily"]),
            datasets=[dataset("raw"), dataset("orders")],
            orchestration=orchestration,
        )

    return make


@pytest.fixture
def spec_of(shop):
    """Return the asset of a dataset with that metadata."""

    def spec(metadata, name="orders", **orchestration):
        definitions = build_definitions(shop(metadata, name, **orchestration))
        (found,) = (
            each for each in definitions.resolve_all_asset_specs() if each.key == dg.AssetKey(name)
        )
        return found

    return spec


def test_everything_that_can_be_said(spec_of):
    """What may stand under a pattern of `assets` may stand in the catalog as well."""
    spec = spec_of(
        {
            "kedro-viz": {"layer": "raw"},
            "dagster": {
                "preview": False,
                "owners": ["team:data"],
                "group_name": "core",
                "tags": {"tier": "gold"},
                "kinds": ["duckdb"],
                "description": "Orders without holes.",
                "metadata": {"sla": "by nine"},
                "freshness": {"fail_after_s": 7200},
                "automation": "eager",
            },
        }
    )

    assert ["team:data"] == list(spec.owners)
    assert "core" == spec.group_name
    assert {"tier": "gold", "daily": ""}.items() <= spec.tags.items()
    assert "duckdb" in spec.kinds
    assert "Orders without holes." == spec.description
    assert "by nine" == spec.metadata["sla"]
    assert spec.freshness_policy is not None
    assert dg.AutomationCondition.eager() == spec.automation_condition


def test_the_file_has_the_last_word(spec_of):
    """Lists and mappings are merged; what is said once is said by `dagster.yml`."""
    catalog = {"dagster": {"owners": ["team:a"], "tags": {"x": "1", "y": "1"}, "group_name": "a"}}
    file = {"orders": {"owners": ["team:b"], "tags": {"x": "2"}, "group_name": "b"}}
    spec = spec_of(catalog, assets=file)

    assert ["team:a", "team:b"] == list(spec.owners)
    assert {"x": "2", "y": "1"}.items() <= spec.tags.items()
    assert "b" == spec.group_name


def test_words_of_kedro_dagster(spec_of):
    """Its `group_name` and `description` stand beside, of a free input too."""
    spec = spec_of({"group_name": "raw_data", "description": "As the shops send them."}, "raw")

    assert "raw_data" == spec.group_name
    assert spec.description.startswith("As the shops send them.\n")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (["team:a"], "Cannot use the catalog: orders.metadata.dagster: expected a mapping."),
        (
            {"owner": []},
            "orders.metadata.dagster.owner: there is no such key. Did you mean 'owners'?",
        ),
        ({"owners": "team:a"}, "orders.metadata.dagster.owners: "),
        ({"owners": ["ann"]}, "orders.metadata.dagster.owners: 'ann' is no owner."),
        ({"preview": "no"}, "orders.metadata.dagster.preview: got 'no'."),
    ],
)
def test_errors(shop, said, told):
    """They name the entry, before anything is loaded as well."""
    wrong = shop({"dagster": said})
    with pytest.raises(OrchestrationError) as raised:
        build_definitions(wrong)
    (finding,) = (
        each for each in check_manifest(wrong.manifest) if each.code == "catalog-metadata"
    )

    assert told in str(raised.value)
    assert f"Cannot use {finding.place}: " in str(raised.value)
    assert finding.message.casefold() in str(raised.value).casefold()
