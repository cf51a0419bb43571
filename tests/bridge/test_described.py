"""What Dagster knows of saved data after a run: metadata, versions, and what they are made of."""

import dagster as dg
import pytest
from dagster_kedro import KedroPipesResource, KedroSubprocessClient, kedro_assets

INPUT = "dagster/input_data_version"


class Known:
    """The latest materialization of each asset, as a user's own code would read it."""

    def __init__(self, instance):
        self._instance = instance

    def __getitem__(self, name):
        key = dg.AssetKey(name.split("/"))
        return self._instance.get_latest_materialization_event(key).asset_materialization

    def value(self, name, entry):
        """Return one metadata value."""
        return self[name].metadata[entry].value

    def version(self, name):
        """Return the data version."""
        return self[name].tags["dagster/data_version"]

    def inputs(self, name):
        """Return the data versions of what it was made of."""
        return {
            key.removeprefix(f"{INPUT}/"): version
            for key, version in self[name].tags.items()
            if key.startswith(f"{INPUT}/")
        }


@pytest.fixture(scope="module")
def instance():
    """An instance for all runs of this module."""
    return dg.DagsterInstance.ephemeral()


@pytest.fixture(scope="module")
def folder(copy_of, run_job, instance):
    """The project `spaceport` after a run of everything."""
    folder = copy_of("spaceport")
    run = run_job(folder, "__default__", instance=instance)
    assert run.success, run.errors
    return folder


@pytest.fixture
def known(instance):
    """What Dagster knows after the runs so far."""
    return Known(instance)


def test_a_table(known, folder):
    """Place, size, rows, columns and a preview, in Dagster's own words where it has some."""
    path = folder / "data/02_clean/companies.csv"
    columns = known.value("clean_companies", "dagster/column_schema").columns

    assert str(path) == known.value("clean_companies", "dagster/uri")
    assert path.stat().st_size == known.value("clean_companies", "kedro/size_bytes")
    assert len(path.read_text().splitlines()) - 1 == known.value(
        "clean_companies", "dagster/row_count"
    )
    assert ["id", "company", "rating"] == [column.name for column in columns]
    assert known.value("clean_companies", "kedro/preview").startswith("| id | company | rating |")


@pytest.mark.usefixtures("folder")
def test_other_kinds(known):
    """The type of a model, the numbers of a JSON file, the rows of all partitions."""
    assert "builtins.dict" == known.value("north/model", "kedro/data_type")
    assert known.value("north/model", "kedro/version")
    rows = known.value("clean_shuttles", "dagster/row_count")
    assert rows == known.value("summary", "metrics/shuttles")
    assert rows == known.value("shuttles_by_origin", "dagster/row_count")


@pytest.mark.usefixtures("folder")
def test_versions_within_one_step(known):
    """What an asset was made of is what its inputs had, though the same step made them."""
    assert {
        "clean_companies": known.version("clean_companies"),
        "clean_shuttles": known.version("clean_shuttles"),
    } == known.inputs("model_input")
    assert known.version("north/model") == known.inputs("summary")["north/model"]


def test_the_same_data_has_the_same_version(known, folder, run_job, instance):
    """Saved again without a change, nothing downstream is out of date; with one, it is."""
    names = ["clean_companies", "clean_shuttles", "model_input"]
    before = {name: known.version(name) for name in names}
    assert run_job(folder, "ingestion", instance=instance).success
    again = {name: known.version(name) for name in names}
    raw = folder / "data/01_raw/companies.csv"
    raw.write_text(raw.read_text().replace("88%", "89%"))
    assert run_job(folder, "ingestion", instance=instance, select=["clean_companies"]).success

    assert before == again
    assert again["clean_companies"] != known.version("clean_companies")
    assert known.inputs("model_input")["clean_companies"] != known.version("clean_companies")


def test_kept_data_keeps_what_it_was_made_of(known, folder, run_job, instance):
    """What was there already is not said to be of the present code and inputs."""
    before = {name: value for name, value in known["model_input"].tags.items() if "input" in name}
    run = run_job(folder, "ingestion", instance=instance, only_missing_outputs=True)
    tags = known["model_input"].tags

    assert run.success, run.errors
    assert known.value("model_input", "kedro/already_there")
    assert before == {name: value for name, value in tags.items() if "input" in name}


def test_what_nodes_say(copy_of, open_project, run_definitions, instance, known):
    """It is part of the materialization; a check's result is one of the asset that was saved."""

    @kedro_assets(
        project=open_project(copy_of("relay")),
        pipelines=["speaking"],
        check_specs=[dg.AssetCheckSpec(name, asset="spoken") for name in ("is_short", "is_sorted")],
    )
    def relay(context: dg.AssetExecutionContext, kedro: KedroPipesResource):
        yield from kedro.run(context).stream()

    job = dg.define_asset_job(
        "speaking", selection=dg.AssetSelection.assets("numbers", "spoken", "murmur")
    )
    resource = KedroPipesResource(client=KedroSubprocessClient())
    definitions = dg.Definitions([relay], jobs=[job], resources={"kedro": resource})
    run = run_definitions(definitions, "speaking", instance=instance)
    lineage = known.value("spoken", "dagster/column_lineage")

    assert run.success, run.errors
    assert {"is_short": True, "is_sorted": False} == run.checks
    assert "third edition" == known.version("spoken")
    assert known.value("spoken", "from a thread")
    assert 3 == known.value("murmur", "heard")
    assert {"total"} == lineage.deps_by_column.keys()
    assert [dg.AssetKey("numbers")] * 2 == [
        source.asset_key for source in lineage.deps_by_column["total"]
    ]
