"""What people add in Python: their own assets, checks, jobs, resources, keys and steps."""

import types
import warnings

import dagster as dg
import pytest
from dagster_kedro import (
    DagsterKedroTranslator,
    KedroOpSpec,
    KedroPipesResource,
    KedroProject,
    KedroSubprocessClient,
    PipelineFilter,
    build_definitions,
    build_kedro_asset_selection,
    build_kedro_asset_specs,
    kedro_assets,
    launchpad_resource,
)
from dagster_kedro.clients.scripted import Playlist, Script, ScriptedClient, script_lines
from kedro_manifest.errors import UnknownNameError
from kedro_manifest.invocation import decode_invocation
from kedro_manifest.model import Parameter


class SavingClient(ScriptedClient):
    """Plays workers that report every output they are asked for as saved."""

    def launch(self, launch):
        """Play what a good worker would say."""
        asked = decode_invocation(launch.context_data["extras"])
        made = [*asked.dataset_assets.values(), *asked.node_assets.values()]
        saved = [
            ("report_asset_materialization", {"asset_key": key, "metadata": {}}) for key in made
        ]
        lines = script_lines(("opened", {}), *saved, ("closed", {}))
        self.playlist.scripts[launch.group] = Script(lines=lines)
        return super().launch(launch)


@pytest.fixture
def client():
    """A client without any process; `invocations` are what its workers were asked for."""
    return SavingClient(playlist=Playlist({}))


@pytest.fixture
def kedro(client):
    """The resource with that client."""
    return KedroPipesResource(client=client, max_concurrent=1)


@pytest.fixture
def shop(project, node):
    """Two pipelines, of which the second reads from the first in memory and from files."""
    return project(
        node("clean", ["raw"], ["clean"], tags=["daily"]),
        node("count", ["clean"], ["counted"], tags=["daily"]),
        node("fit", ["clean", "counted"], ["model"], tags=["weekly"]),
        node("report", ["model"], [], tags=["weekly"]),
        memory=["counted"],
        pipelines={
            "__default__": ["clean", "count", "fit", "report"],
            "cleaning": ["clean", "count"],
            "training": ["fit", "report"],
        },
        parameters=[Parameter(name="depth", type="integer", value=3)],
    )


def run(definitions, job="everything", **options):
    """Run a job; return the materialized keys in order."""
    if job == "everything":
        definitions = dg.Definitions.merge(
            definitions, dg.Definitions(jobs=[dg.define_asset_job("everything")])
        )
    result = definitions.resolve_job_def(job).execute_in_process(raise_on_error=False, **options)
    run.errors = [
        event.step_failure_data.error.to_string()
        for event in result.all_events
        if event.is_step_failure
    ]
    run.result = result
    return [event.asset_key.to_user_string() for event in result.get_asset_materialization_events()]


def asked_for(client):
    """Return what the workers were asked to run, in order."""
    return [decode_invocation(launch.context_data["extras"]) for launch in client.launches]


def made(definitions):
    graph = definitions.resolve_asset_graph()
    return {key.to_user_string() for key in graph.materializable_asset_keys}


EVERYTHING = ["clean", "counted", "model", "report"]


def test_keys_of_a_translator(shop, assets_of, kedro):
    """A subclass gives the assets other keys, and a run of them works."""

    class Prefixed(DagsterKedroTranslator):
        def get_asset_spec(self, asset):
            spec = super().get_asset_spec(asset)
            return spec.replace_attributes(key=spec.key.with_prefix("shop"), owners=["team:shop"])

    assets = assets_of(shop, translator=Prefixed())
    definitions = dg.Definitions(assets=[assets], resources={"kedro": kedro})

    assert [f"shop/{key}" for key in EVERYTHING] == run(definitions)
    assert {("team:shop",)} == {tuple(spec.owners) for spec in assets.specs}


def test_attributes_that_are_changed_afterwards(shop, kedro):
    """`Definitions.map_asset_specs` changes anything but keys, and a run works as before."""
    definitions = build_definitions(shop, resource=kedro).map_asset_specs(
        func=lambda spec: spec.replace_attributes(
            owners=["team:shop"],
            group_name="all",
            automation_condition=dg.AutomationCondition.eager(),
        )
    )

    assert EVERYTHING == run(definitions, "__default__")
    specs = definitions.resolve_all_asset_specs()
    assert {("all", ("team:shop",))} == {(spec.group_name, tuple(spec.owners)) for spec in specs}


def test_keys_that_are_changed_by_mapping(shop):
    """Dagster itself refuses to change keys in `map_asset_specs`."""
    definitions = build_definitions(shop)

    with pytest.raises(dg.DagsterInvalidDefinitionError, match="must not change keys"):
        definitions.map_asset_specs(
            func=lambda spec: spec.replace_attributes(key=spec.key.with_prefix("shop"))
        ).resolve_all_asset_specs()


def test_keys_that_are_changed_by_loading(shop, assets_of, kedro, client):
    """A prefix of `load_assets_from_modules` loses our datasets: said before any worker starts."""
    module = types.ModuleType("shop_assets")
    module.ours = assets_of(shop)
    assets = dg.load_assets_from_modules([module], key_prefix="shop")

    assert [] == run(dg.Definitions(assets=assets, resources={"kedro": kedro}))
    (error,) = run.errors
    assert "Cannot run asset 'shop/clean' of op 'shop_assets': its key was changed" in error
    assert "Change keys with `key_prefix` of `KedroProject`" in error
    assert [] == client.launches


def test_specs_with_other_attributes(shop, kedro):
    """Bare specs can be changed one by one, and made by code of one's own."""
    specs = [
        spec.replace_attributes(owners=["team:models"]) if spec.key.path == ["model"] else spec
        for spec in build_kedro_asset_specs(shop, select=PipelineFilter(tags=["weekly"]))
    ]

    @dg.multi_asset(specs=[spec for spec in specs if "kedro/node" in spec.metadata])
    def made_here():
        for key in [["model"], ["report"]]:
            yield dg.MaterializeResult(dg.AssetKey(key))

    definitions = dg.Definitions(assets=[made_here], resources={"kedro": kedro})
    assert ["model", "report"] == run(definitions)
    owners = {spec.key.to_user_string(): spec.owners for spec in made_here.specs}
    assert {"model": ["team:models"], "report": []} == owners


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"select": "training"}, {"model", "report"}),
        ({"select": PipelineFilter(tags=["daily"])}, {"clean", "counted"}),
        ({"select": PipelineFilter(from_nodes=["fit"])}, {"model", "report"}),
        ({"select": PipelineFilter(to_outputs=["counted"])}, {"clean", "counted"}),
        ({"exclude": PipelineFilter(node_names=["report"])}, {"clean", "counted", "model"}),
        ({"pipelines": ["cleaning"], "exclude": PipelineFilter(node_names=["count"])}, {"clean"}),
    ],
)
def test_selecting_nodes(shop, assets_of, chosen, expected):
    """`select` and `exclude` take a pipeline or the filters of `kedro run`, everywhere alike."""
    decorated = {key.to_user_string() for key in assets_of(shop, **chosen).keys}
    specs = build_kedro_asset_specs(shop, **chosen)
    bare = {spec.key.to_user_string() for spec in specs if "kedro/node" in spec.metadata}

    assert expected == decorated == bare == made(build_definitions(shop, **chosen))


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"select": "trainig"}, "Cannot use `select`: .*pipeline 'trainig'.*'training'"),
        (
            {"exclude": PipelineFilter(node_names=["reprot"])},
            "Cannot use `exclude`: .*node 'reprot'.*'report'",
        ),
        (
            {"select": "training", "exclude": PipelineFilter(tags=["weekly"])},
            "`select` and `exclude` leave no node",
        ),
    ],
)
def test_selecting_what_is_not_there(shop, assets_of, chosen, said):
    """A name that is not there, or nothing at all, is refused at once."""
    with pytest.raises(UnknownNameError, match=said):
        assets_of(shop, **chosen)


def test_parts_of_one_project(shop, assets_of, kedro, client):
    """Two parts run as two steps; data in memory is made again where it is needed."""
    parts = [assets_of(shop, select=PipelineFilter(tags=[tag])) for tag in ("daily", "weekly")]
    definitions = dg.Definitions(assets=parts, resources={"kedro": kedro})

    assert EVERYTHING == run(definitions), run.errors
    assert ["shop_daily_assets", "shop_weekly_assets"] == [part.op.name for part in parts]
    (clean, count, fit, report) = [set(asked.nodes) for asked in asked_for(client)]
    assert ({"clean"}, {"count"}, {"count", "fit"}, {"report"}) == (clean, count, fit, report)


def test_parts_that_overlap(shop, assets_of, kedro):
    """Dagster refuses to load them together; a warning names both ops and what they share."""
    first = assets_of(shop, name="all_of_it")
    with pytest.warns(
        UserWarning, match="'all_of_it' and 'shop_training_assets' both make 'model'"
    ):
        second = assets_of(shop, pipelines=["training"])

    with pytest.raises(dg.DagsterInvalidDefinitionError, match="Duplicate asset key"):
        dg.Definitions(assets=[first, second], resources={"kedro": kedro}).resolve_asset_graph()


def test_parts_that_do_not_overlap(shop, assets_of):
    """Two parts without a common asset give no warning, nor does one that is gone."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        kept = [assets_of(shop, pipelines=[name]) for name in ("cleaning", "training")]

    assert 2 == len(kept)


def test_definitions_of_two_pipelines(shop, client):
    """Two `build_definitions` of one project merge: equal resources are one."""
    parts = [
        build_definitions(
            shop,
            pipelines=[name],
            resource=KedroPipesResource(client=client, parameters={"depth": 4}, max_concurrent=1),
        )
        for name in ("cleaning", "training")
    ]
    merged = dg.Definitions.merge(*parts)

    assert set(EVERYTHING) == made(merged)
    assert EVERYTHING == run(merged, "__ASSET_JOB")
    assert ["model", "report"] == run(merged, "training")
    assert {4} == {asked.runtime_params["depth"] for asked in asked_for(client)}


def test_definitions_of_two_pipelines_by_default(shop):
    """The same without any resource of one's own."""
    parts = [build_definitions(shop, pipelines=[name]) for name in ("cleaning", "training")]

    dg.Definitions.validate_loadable(dg.Definitions.merge(*parts))


def test_definitions_of_two_pipelines_with_loggers(project, node):
    """Loggers of `dagster.yml` are the same in both, and do not stand in the way."""
    logging = project(
        node("clean", [], ["clean"]),
        node("fit", ["clean"], ["model"]),
        pipelines={"cleaning": ["clean"], "training": ["fit"]},
        orchestration={
            "loggers": {"plain": {"log_level": "INFO"}},
            "jobs": {
                name: {"pipeline": name, "loggers": ["plain"]} for name in ("cleaning", "training")
            },
        },
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # each says that it leaves out the job of the other
        parts = [build_definitions(logging, pipelines=[name]) for name in ("cleaning", "training")]
    merged = dg.Definitions.merge(*parts)

    assert {"cleaning", "training", "__ASSET_JOB"} == {
        job.name for job in merged.resolve_all_job_defs()
    }
    assert "plain" in merged.loggers


def test_definitions_with_different_resources(shop):
    """Two settings for one name are refused by Dagster, which names it."""
    parts = [
        build_definitions(shop, pipelines=[name], client=KedroSubprocessClient(python=name))
        for name in ("cleaning", "training")
    ]

    with pytest.raises(dg.DagsterInvariantViolationError, match=r"different resources.*'kedro'"):
        dg.Definitions.merge(*parts)


def test_foreign_assets_everywhere(project, node, kedro, client):
    """Before, between and after ours: Dagster splits our op, and parameters reach both parts."""
    gap = project(
        node("first", ["raw"], ["before"]),
        node("second", ["middle"], ["after"]),
        parameters=[Parameter(name="depth", type="integer", value=3)],
    )

    @dg.asset
    def raw():
        """Before all of ours."""

    @dg.asset(deps=["before"])
    def middle():
        """Between two of ours."""

    @dg.asset(deps=["after"])
    def dashboard():
        """After ours."""

    merged = dg.Definitions.merge(
        build_definitions(gap, resource=kedro, external_assets=False),
        dg.Definitions(assets=[raw, middle, dashboard]),
    )
    config = {"resources": {"kedro": {"config": {"parameters": {"depth": 7}}}}}

    order = run(merged, "__ASSET_JOB", run_config=config)
    assert ["raw", "before", "middle", "after", "dashboard"] == order
    assert [{"depth": 7}, {"depth": 7}] == [asked.runtime_params for asked in asked_for(client)]


def test_checks_of_ones_own(shop, kedro):
    """`@dg.asset_check` on one of our assets runs after it; a blocking one stops what follows."""

    @dg.asset_check(asset="clean", blocking=True)
    def has_rows():
        return dg.AssetCheckResult(passed=False, description="no rows")

    @dg.asset(deps=["clean"])
    def dashboard():
        """Must not be made."""

    definitions = dg.Definitions.merge(
        build_definitions(shop, pipelines=["cleaning"], resource=kedro),
        dg.Definitions(assets=[dashboard], asset_checks=[has_rows]),
    )

    assert ["clean", "counted"] == run(definitions)
    (check,) = run.result.get_asset_check_evaluations()
    assert ("has_rows", False) == (check.check_name, check.passed)


def test_a_job_of_ones_own(shop, assets_of, kedro):
    """A job of a Kedro selection, with an executor and tags of its own."""
    assets = assets_of(shop)
    job = dg.define_asset_job(
        "weekly",
        selection=build_kedro_asset_selection([assets], tags=["weekly"]),
        executor_def=dg.in_process_executor,
        tags={"team": "shop"},
    )
    definitions = dg.Definitions(assets=[assets], jobs=[job], resources={"kedro": kedro})

    assert ["model", "report"] == run(definitions, "weekly")
    resolved = definitions.resolve_job_def("weekly")
    assert ("in_process", "shop") == (resolved.executor_def.name, resolved.tags["team"])


def test_a_body_of_ones_own(shop, kedro):
    """Code before and after the run, with another resource, which sees each result as it comes."""
    seen = []

    @kedro_assets(project=shop, pipelines=["cleaning"])
    def cleaning(
        context: dg.AssetExecutionContext,
        kedro: KedroPipesResource,
        notebook: dg.ResourceParam[list],
    ):
        notebook.append(f"{len(context.selected_asset_keys)} assets")
        for result in kedro.run(context).stream():
            notebook.append(result.asset_key.to_user_string())
            yield result
        notebook.append("done")

    resources = {"kedro": kedro, "notebook": dg.ResourceDefinition.hardcoded_resource(seen)}
    assert ["clean", "counted"] == run(dg.Definitions(assets=[cleaning], resources=resources))
    assert ["2 assets", "clean", "counted", "done"] == seen


def test_a_body_for_definitions(shop, kedro):
    """`build_definitions` takes the body as well, and settings of the op."""
    seen = []

    def execute(context, resource):
        seen.append(context.op.name)
        yield from resource.run(context).stream()

    definitions = build_definitions(
        shop, resource=kedro, execute=execute, op=KedroOpSpec(name="my_op", pool="warehouse")
    )

    assert EVERYTHING == run(definitions, "__default__")
    assert ["my_op"] == seen


def test_a_typed_launchpad_for_decorated_assets(shop, assets_of, kedro, client):
    """`launchpad_resource` takes the project; a wrong parameter is refused before anything."""
    definitions = dg.Definitions(
        assets=[assets_of(shop, pipelines=["cleaning"])],
        resources={"kedro": launchpad_resource(shop, kedro)},
    )

    def configured(value):
        parameters = {"parameters": {"depth": value}}
        return {"run_config": {"resources": {"kedro": {"config": parameters}}}}

    assert ["clean", "counted"] == run(definitions, "__ASSET_JOB", **configured(9))
    assert {9} == {asked.runtime_params["depth"] for asked in asked_for(client)}
    with pytest.raises(dg.DagsterInvalidConfigError, match='expected type "Int"'):
        run(definitions, "__ASSET_JOB", **configured("deep"))


def test_one_typed_resource_for_equal_settings(shop):
    """Equal settings give the same object, other ones another, and a new manifest another too."""
    plain = launchpad_resource(shop)
    other = launchpad_resource(
        shop, KedroPipesResource(client=KedroSubprocessClient(), max_concurrent=2)
    )

    assert plain is launchpad_resource(KedroProject(shop.project_dir).manifest)
    assert plain is not other
