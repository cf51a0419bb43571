"""A project of a thousand catalog entries and five hundred parameters, generated here."""

import json

import pytest

ENTRIES = 1000
PARAMETERS = 500
USED = 997


@pytest.fixture(scope="module")
def large(copy_project):
    """Make copies of `stored` with another catalog, other parameters and other nodes."""

    def make():
        folder = copy_project("stored")
        catalog = [
            f"entry_{number}:\n  type: json.JSONDataset\n  filepath: data/{number}.json\n"
            for number in range(ENTRIES)
        ]
        (folder / "conf/base/catalog.yml").write_text("\n".join(catalog))
        parameters = [f"parameter_{number}: {number}" for number in range(PARAMETERS)]
        (folder / "conf/base/parameters.yml").write_text("\n".join(parameters))
        (folder / "src/stored/pipeline_registry.py").write_text(REGISTRY)
        return folder

    return make


REGISTRY = f"""\
from kedro.pipeline import node, pipeline


def add(first, second=1):
    return first + second


def register_pipelines():
    nodes = [
        node(add, ["params:parameter_1", "params:parameter_499"], "entry_0", name="add_0"),
        node(add, "entry_0", "entry_1", name="add_1"),
        node(add, ["entry_0", "entry_1"], "entry_{USED}", name="add_{USED}"),
    ]
    return {{"__default__": pipeline(nodes)}}
"""


def test_outputs_are_equal(large, kedro_run, export, run_job):
    """Three processes out of a thousand entries give what one `kedro run` gives."""
    by_kedro, by_dagster = large(), large()
    kedro_run(by_kedro)
    export(by_dagster)
    run = run_job(by_dagster, "__default__")

    assert run.success, run.errors
    assert 3 == len(set(run.process_ids.values()))
    for number, expected in ((0, 500), (1, 501), (USED, 1001)):
        files = [folder / f"data/{number}.json" for folder in (by_kedro, by_dagster)]
        assert [expected, expected] == [json.loads(file.read_text()) for file in files]
