"""What `@kedro_assets` and `build_definitions` define."""

import dagster as dg
import pytest
from dagster_kedro import (
    KedroPipesResource,
    KedroSubprocessClient,
    build_definitions,
    build_kedro_asset_selection,
    get_asset_key_for_dataset,
)
from kedro_manifest.errors import UnknownNameError


@pytest.fixture
def shop(project, node):
    """A project with three pipelines."""
    return project(
        node("clean", ["raw"], ["clean"], tags=["daily"]),
        node("europe.fit", ["clean"], ["europe.model"], namespace="europe", tags=["weekly"]),
        node("asia.fit", ["clean"], ["asia.model"], namespace="asia", tags=["weekly", "slow"]),
        node("asia.east.fit", ["clean"], ["asia.east.model"], namespace="asia.east"),
        node("report", ["europe.model", "asia.model"], [], tags=["daily"]),
        pipelines={
            "__default__": ["clean", "europe.fit", "asia.fit", "asia.east.fit", "report"],
            "cleaning": ["clean"],
            "train-all": ["europe.fit", "asia.fit", "asia.east.fit"],
        },
    )


def keys(assets):
    return {key.to_user_string() for key in assets}


EVERYTHING = {"clean", "europe/model", "asia/model", "asia/east/model", "report"}


def test_jobs(shop):
    """Each registered pipeline is a job of the same name, with its own assets."""
    definitions = build_definitions(shop)

    selected = {
        name: keys(definitions.resolve_job_def(name).asset_layer.selected_asset_keys)
        for name in ("__default__", "cleaning", "trainU_2d_Uall")
    }
    assert selected == {
        "__default__": EVERYTHING,
        "cleaning": {"clean"},
        "trainU_2d_Uall": {"europe/model", "asia/model", "asia/east/model"},
    }


def test_assets_of_a_project(shop):
    """Assets and external assets of all pipelines are there, in one op."""
    graph = build_definitions(shop).resolve_asset_graph()

    assert keys(graph.materializable_asset_keys) == EVERYTHING
    assert keys(graph.external_asset_keys) == {"raw"}


def test_some_pipelines(shop):
    """With `pipelines`, only these are defined; what they read is external."""
    definitions = build_definitions(shop, pipelines=["train-all"])
    graph = definitions.resolve_asset_graph()

    assert keys(graph.materializable_asset_keys) == EVERYTHING - {"clean", "report"}
    assert dg.AssetKey("clean") in graph.external_asset_keys
    assert {job.name for job in definitions.resolve_all_job_defs()} == {
        "__ASSET_JOB",
        "trainU_2d_Uall",
    }


def test_two_halves_of_one_project(shop, assets_of):
    """Two `@kedro_assets` of one project load together, and the edges between them hold."""
    cleaning = assets_of(shop, pipelines=["cleaning"])
    training = assets_of(shop, pipelines=["train-all"])
    definitions = dg.Definitions(
        assets=[cleaning, training],
        resources={"kedro": KedroPipesResource(client=KedroSubprocessClient())},
    )

    dg.Definitions.validate_loadable(definitions)
    graph = definitions.resolve_asset_graph()
    assert keys(graph.get(dg.AssetKey(["europe", "model"])).parent_keys) == {"clean"}
    assert dg.AssetKey("clean") not in graph.external_asset_keys


def test_unknown_pipeline(shop):
    """A pipeline that is not registered is refused, with the nearest names."""
    with pytest.raises(UnknownNameError, match="Did you mean 'cleaning'"):
        build_definitions(shop, pipelines=["clening"])


def test_empty_pipeline(project, node):
    """An empty pipeline makes no job, and does not prevent the others."""
    empty = project(node("make", [], ["table"]), pipelines={"__default__": ["make"], "later": []})

    names = {job.name for job in build_definitions(empty).resolve_all_job_defs()}
    assert names == {"__ASSET_JOB", "__default__"}


def test_empty_project(project):
    """A project that has no nodes yet, as `kedro new` makes it, loads."""
    fresh = project(pipelines={"__default__": []})

    dg.Definitions.validate_loadable(build_definitions(fresh))


def test_options_of_the_op(shop, assets_of):
    """Retry policy, pool, tags and name go to the op."""
    made = assets_of(
        shop, name="my_op", pool="database", op_tags={"team": "data"},
        retry_policy=dg.RetryPolicy(max_retries=2),
    )  # fmt: skip

    assert made.op.name == "my_op"
    assert made.op.pool == "database"
    assert made.op.tags["team"] == "data"
    assert made.op.retry_policy.max_retries == 2


def test_merge(shop):
    """Definitions merge with foreign ones, up- and downstream of ours."""

    @dg.asset(deps=[dg.AssetKey(["europe", "model"])])
    def dashboard():
        pass

    merged = dg.Definitions.merge(build_definitions(shop), dg.Definitions(assets=[dashboard]))

    dg.Definitions.validate_loadable(merged)
    graph = merged.resolve_asset_graph()
    assert keys(graph.get(dg.AssetKey("dashboard")).parent_keys) == {"europe/model"}


def test_foreign_producer(shop, assets_of):
    """A foreign asset can make what a project reads: `@kedro_assets` defines no free inputs."""

    @dg.asset
    def raw():
        pass

    definitions = dg.Definitions(
        assets=[assets_of(shop), raw],
        resources={"kedro": KedroPipesResource(client=KedroSubprocessClient())},
    )

    graph = definitions.resolve_asset_graph()
    assert keys(graph.get(dg.AssetKey("clean")).parent_keys) == {"raw"}
    assert not graph.external_asset_keys


def test_key_of_a_dataset(shop, assets_of):
    """A dataset's key is found by its Kedro name, with or without transcoding."""
    assets = [assets_of(shop)]

    assert get_asset_key_for_dataset(assets, "europe.model").path == ["europe", "model"]
    assert get_asset_key_for_dataset(assets, "clean@pandas").path == ["clean"]


def test_key_of_no_dataset(shop, assets_of):
    """A name that no asset has is refused, with the nearest names."""
    with pytest.raises(UnknownNameError, match=r"dataset 'europe.modell'.*Did you mean 'europe.mo"):
        get_asset_key_for_dataset([assets_of(shop)], "europe.modell")


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, EVERYTHING),
        ({"pipelines": ["cleaning"]}, {"clean"}),
        ({"tags": ["daily"]}, {"clean", "report"}),
        ({"tags": ["daily", "slow"]}, {"clean", "report", "asia/model"}),
        ({"tags": ["weekly"], "namespaces": ["asia"]}, {"asia/model"}),
        ({"namespaces": ["asia"]}, {"asia/model", "asia/east/model"}),
        ({"namespaces": ["asia.east"]}, {"asia/east/model"}),
        ({"nodes": ["report", "clean"]}, {"clean", "report"}),
        ({"pipelines": ["cleaning"], "tags": ["slow"]}, set()),
    ],
)
def test_selection(shop, assets_of, chosen, expected):
    """Values of one kind widen a selection, kinds narrow it, as in `kedro run`."""
    assets = [assets_of(shop)]
    selection = build_kedro_asset_selection(assets, **chosen)

    assert keys(selection.resolve(assets)) == expected


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"tags": ["dialy"]}, "Cannot find tag 'dialy'.*'daily'"),
        ({"nodes": ["reprot"]}, "Cannot find node 'reprot'.*'report'"),
        ({"namespaces": ["asai"]}, "Cannot find namespace 'asai'.*'asia'"),
        ({"pipelines": ["clean"]}, "Cannot find pipeline 'clean'.*'cleaning'"),
    ],
)
def test_selection_of_nothing(shop, assets_of, chosen, message):
    """A value that no node has is refused, with the nearest ones."""
    with pytest.raises(UnknownNameError, match=message):
        build_kedro_asset_selection([assets_of(shop)], **chosen)


def test_selection_makes_a_schedule(shop):
    """A selection is one of Dagster's own: a job and a schedule take it."""
    definitions = build_definitions(shop)
    specs = definitions.resolve_all_asset_specs()
    job = dg.define_asset_job("daily", build_kedro_asset_selection(specs, tags=["daily"]))
    schedule = dg.ScheduleDefinition(job=job, cron_schedule="@daily")
    merged = dg.Definitions.merge(definitions, dg.Definitions(jobs=[job], schedules=[schedule]))

    dg.Definitions.validate_loadable(merged)
    assert keys(merged.resolve_job_def("daily").asset_layer.selected_asset_keys) == {
        "clean",
        "report",
    }
