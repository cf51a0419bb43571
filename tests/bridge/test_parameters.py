"""`scaling`: scale_before -> before; a foreign asset `middle`; scale_after reads `middle`."""

import json

import dagster as dg
import pytest
from dagster_kedro import KedroPipesResource, KedroSubprocessClient, kedro_assets


@pytest.fixture
def split_op(copy_of, open_project):
    """Definitions in which a foreign asset stands between two of ours, and the project's folder."""
    folder = copy_of("relay")

    @kedro_assets(project=open_project(folder), pipelines=["scaling"])
    def ours(context: dg.AssetExecutionContext, kedro: KedroPipesResource):
        yield from kedro.run(context).stream()

    @dg.asset(deps=["before"])
    def middle():
        value = json.loads((folder / "data/before.json").read_text())
        (folder / "data/middle.json").write_text(json.dumps(value * 100))

    kedro = KedroPipesResource(
        client=KedroSubprocessClient(), parameters={"factor": 3}, max_concurrent=1
    )
    job = dg.define_asset_job("everything")
    return folder, dg.Definitions(assets=[ours, middle], jobs=[job], resources={"kedro": kedro})


def test_both_parts_get_the_resource(split_op, run_definitions, read_json):
    """Dagster splits the op around the foreign asset; the parameters reach both parts."""
    folder, definitions = split_op
    run = run_definitions(definitions, "everything")

    assert run.success, run.errors
    assert run.materialized == ["before", "middle", "after"]
    assert (read_json(folder, "before"), read_json(folder, "after")) == (3, 900)


def test_both_parts_get_the_run_config(split_op, run_definitions, read_json):
    """What is set in the Launchpad reaches both parts as well, and wins."""
    folder, definitions = split_op
    config = {"resources": {"kedro": {"config": {"parameters": {"factor": 5}}}}}
    run = run_definitions(definitions, "everything", run_config=config)

    assert run.success, run.errors
    assert (read_json(folder, "before"), read_json(folder, "after")) == (5, 2500)


def test_defaults(copy_of, run_job, read_json):
    """Without parameters of the resource, the project's own count."""
    folder = copy_of("relay")
    run = run_job(folder, "scaling", select=["before"])

    assert run.success, run.errors
    assert read_json(folder, "before") == 2


def test_environment_of_kedro(copy_of, run_job, read_json):
    """The resource's `env` chooses the Kedro environment of the workers."""
    folder = copy_of("relay")
    (folder / "conf/half").mkdir()
    (folder / "conf/half/parameters.yml").write_text("factor: 0.5\n")
    run = run_job(folder, "scaling", select=["before"], env="half")

    assert run.success, run.errors
    assert read_json(folder, "before") == 0.5
