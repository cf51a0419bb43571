"""What the page on kedro-dagster makes of partitions, run as its blocks stand."""

import re
from pathlib import Path

import dagster as dg
import pytest
from dagster_kedro import KedroSubprocessClient, build_definitions

PAGE = Path(__file__).parents[2] / "docs/how-to/migrate-from-kedro-dagster.md"
BLOCK = re.compile(r"^```(?:yaml|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)
REGISTRY = """

def register_pipelines():
    return {"__default__": create_pipeline()}
"""


@pytest.fixture(scope="module")
def migrated(copy_of, export):
    """A project of the page's catalog, parameters, nodes and `dagster.yml`."""
    _, catalog, parameters, nodes, partitions = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    folder = copy_of("almanac")
    conf = folder / "conf/base"
    kept = "flights: {type: pandas.CSVDataset, filepath: data/03_primary/flights.csv}\n"
    (conf / "catalog.yml").write_text(catalog + kept)
    (conf / "parameters.yml").write_text(parameters)
    (conf / "dagster.yml").write_text(partitions)
    (folder / "src/almanac/pipeline_registry.py").write_text(nodes + REGISTRY)
    raw = folder / "data/01_raw/flights"
    raw.mkdir(parents=True)
    for key in "12":
        (raw / f"{key}.csv").write_text(f"flight,delay\n{key}01,5\n{key}02,\n")
    export(folder)
    return folder


@pytest.mark.parametrize(
    ("tags", "made"),
    [
        ({"dagster/partition": "2"}, [("clean_flights", "2")]),
        (
            {"dagster/asset_partition_range_start": "1", "dagster/asset_partition_range_end": "2"},
            [("clean_flights", "1"), ("clean_flights", "2")],
        ),
    ],
)
def test_partitions(migrated, open_project, finished_run, tags, made):
    """A run makes the partitions that it is for, under their keys, and what hangs on them."""
    definitions = build_definitions(open_project(migrated), client=KedroSubprocessClient())
    instance = dg.DagsterInstance.ephemeral()
    job = definitions.resolve_job_def("__default__")
    result = job.execute_in_process(instance=instance, tags=tags)
    entries = finished_run(result, instance).entries
    events = [entry.dagster_event for entry in entries if entry.dagster_event]

    assert [*made, ("flights", None)] == sorted(
        (event.asset_key.to_user_string(), event.partition)
        for event in events
        if event.is_step_materialization
    )
    written = sorted(file.name for file in (migrated / "data/02_intermediate/flights").iterdir())
    assert [f"{key}0.csv" for _, key in made] == written
