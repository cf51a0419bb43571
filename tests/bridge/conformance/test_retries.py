"""A step's RetryPolicy: only what is left is run again, and checks are never passed by."""

import dagster as dg
import pytest
from dagster_kedro import KedroPipesResource, kedro_assets

KEYS = ["model", "score", "report"]


@pytest.fixture
def retrying(bridge, open_project, run_definitions):
    """Run the chain of three under a retry policy, with an asset of another kind downstream."""

    def run(max_retries=1, *, blocking=True, select=None):
        ran = []

        @kedro_assets(
            project=open_project(bridge.project_dir),
            retry_policy=dg.RetryPolicy(max_retries=max_retries),
            check_specs=[dg.AssetCheckSpec("sound", asset="model", blocking=blocking)],
        )
        def ours(context: dg.AssetExecutionContext, kedro: KedroPipesResource):
            yield from kedro.run(context).stream()

        @dg.asset(deps=["model"])
        def card_of_model():
            ran.append("card_of_model")

        @dg.asset(deps=["report"])
        def letter_on_report():
            ran.append("letter_on_report")

        keys = select or [*KEYS, "card_of_model", "letter_on_report"]
        resource = KedroPipesResource(client=bridge.adapter.client(bridge.token))
        definitions = dg.Definitions(
            assets=[ours, card_of_model, letter_on_report],
            jobs=[dg.define_asset_job("some", selection=dg.AssetSelection.assets(*keys))],
            resources={"kedro": resource},
        )
        finished = run_definitions(definitions, "some")
        finished.ran = ran
        return finished

    return run


def test_runs_what_is_left(bridge, retrying):
    """A retry makes only what is missing, and everything downstream of both attempts runs."""
    data = bridge.project_dir / "data"
    (data / "allowed").touch()
    (data / "fail_once").touch()
    run = retrying()

    assert run.success, run.errors
    assert run.materialized[:3] == KEYS
    assert sorted(run.ran) == ["card_of_model", "letter_on_report"]
    assert (data / "attempts").read_text() == "xx"
    assert len(list((data / "model.pickle").iterdir())) == 1


def test_gives_up(bridge, retrying):
    """When every attempt fails, the run fails, and what was made stays materialized once."""
    run = retrying()

    assert not run.success
    assert run.materialized == ["model"]
    assert (bridge.project_dir / "data/attempts").read_text() == "xx"


def test_blocking_check_is_not_passed_by(bridge, retrying):
    """A retry does not take a model as finished whose blocking check has failed."""
    (bridge.project_dir / "data/allowed").touch()
    (bridge.project_dir / "data/unfit").touch()
    run = retrying()

    assert not run.success
    assert "blocking check 'sound' of 'model' failed" in run.errors[-1]
    assert set(run.materialized) == {"model"}
    assert run.ran == []
    assert not (bridge.project_dir / "data/score.json").exists()


def test_unreported_check_is_not_passed_by(bridge, retrying):
    """A retry does not take a model as finished whose selected check was never reported."""
    (bridge.project_dir / "data/allowed").touch()
    (bridge.project_dir / "data/unchecked").touch()
    run = retrying(blocking=False)

    assert not run.success
    assert "never reported the asset check 'sound'" in run.errors[-1]
    assert not (bridge.project_dir / "data/score.json").exists()


def test_check_alone(bridge, open_project, run_definitions):
    """A check that is selected without its asset runs the node that reports it."""

    @kedro_assets(
        project=open_project(bridge.project_dir),
        check_specs=[dg.AssetCheckSpec("sound", asset="model")],
    )
    def ours(context: dg.AssetExecutionContext, kedro: KedroPipesResource):
        yield from kedro.run(context).stream()

    only_check = dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("model"), "sound"))
    definitions = dg.Definitions(
        assets=[ours],
        jobs=[dg.define_asset_job("checking", selection=only_check)],
        resources={"kedro": KedroPipesResource(client=bridge.adapter.client(bridge.token))},
    )
    run = run_definitions(definitions, "checking")

    assert run.success, run.errors
    assert run.checks == {"sound": True}
