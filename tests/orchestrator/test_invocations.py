"""What a worker is told of its group: which pipelines to load, and how to run it."""

import dagster as dg
import msgspec
import pytest
from dagster_kedro import KedroPipesResource, KedroProject
from dagster_kedro.assets.index import AssetIndex
from dagster_kedro.assets.translator import DagsterKedroTranslator
from dagster_kedro.clients.scripted import Script, ScriptedClient, script_lines
from kedro_manifest.codec import write_manifest
from kedro_manifest.model import HookImplementation

DONE = script_lines(("opened", {}), ("closed", {}))


@pytest.fixture
def index(project, node):
    """Index a project of two nodes, whose pipelines load alone, do not, or are not known."""

    def make(**alone):
        nodes = [node("a", [], ["x"]), node("b", ["x"], ["y"])]
        held = {"one": ["a"], "other": ["b"], "both": ["a", "b"], "__default__": ["a", "b"]}
        opened = project(*nodes, pipelines=held)
        pipelines = [
            msgspec.structs.replace(each, loads_alone=alone.get(each.name))
            for each in opened.manifest.pipelines
        ]
        manifest = msgspec.structs.replace(opened.manifest, pipelines=pipelines)
        write_manifest(manifest, opened.project_dir / "manifest.json")
        return AssetIndex(type(opened)(opened.project_dir), DagsterKedroTranslator())

    return make


@pytest.mark.parametrize(
    ("alone", "nodes", "expected"),
    [
        ({}, ["a", "b"], ["one", "other"]),
        ({"one": True, "other": True, "both": True}, ["a", "b"], ["one", "other"]),
        ({"one": False, "both": True}, ["a"], ["both"]),
        ({"one": True, "other": False, "both": False}, ["a", "b"], ["one", "other"]),
        ({"one": True, "other": False, "both": True}, ["a", "b"], ["one", "both"]),
    ],
)
def test_pipelines_that_load_alone_come_first(index, alone, nodes, expected):
    """A larger pipeline that loads alone is better than a smaller one that brings in all."""
    assert expected == [each.name for each in index(**alone).pipelines_holding(nodes)]


@pytest.fixture
def told(project, node, assets_of):
    """Run nodes `a` and `b` of a project; return what the worker of each group was told."""

    def run(
        orchestration,
        memory=(),
        *,
        given=None,
        parameters=None,
        hooks=None,
        log_level=None,
        **alone,
    ):
        opened = project(node("a", [], ["x"]), node("b", ["x"], ["y"]), memory=memory)
        pipelines = [
            msgspec.structs.replace(each, loads_alone=alone.get(each.name))
            for each in opened.manifest.pipelines
        ]
        changed = msgspec.structs.replace(
            opened.manifest,
            orchestration=orchestration,
            pipelines=pipelines,
            given_parameters=given or {},
            hooks=[HookImplementation(name=name, hooks=of) for name, of in (hooks or {}).items()],
        )
        write_manifest(changed, opened.project_dir / "manifest.json")
        # Every other worker fails to start, but has been told.
        client = ScriptedClient.playing({"before_pipeline_run": Script(lines=DONE)})
        dg.materialize(
            [assets_of(KedroProject(opened.project_dir))],
            resources={
                "kedro": KedroPipesResource(
                    client=client, parameters=parameters or {}, log_level=log_level
                )
            },
            raise_on_error=False,
        )
        extras = [launch.context_data["extras"]["kedro_pipes"] for launch in client.launches]
        return {each["group"]: each for each in extras}

    return run


def test_runner_of_a_group(told):
    """A group of `dagster.yml` says how its worker runs the nodes; the others keep the default."""
    threaded = told({"groups": {"both": {"nodes": ["a", "b"], "runner": "thread"}}})["both"]
    asynchronous = told({"groups": {"one": {"nodes": ["a"], "is_async": True}}})["one"]
    plain = told({})["a"]

    assert ("thread", False) == (threaded["runner"], threaded["is_async"])
    assert ("sequential", True) == (asynchronous["runner"], asynchronous["is_async"])
    assert ("sequential", False) == (plain["runner"], plain["is_async"])


def test_what_the_file_says_of_all_workers(told):
    """Where data is staged, with what it is pickled, and what happens if the project has changed."""
    store = {"url": "s3://bucket/staged/", "backend": "cloudpickle"}
    staged = {"memory_datasets": "stage"}
    said = told({**staged, "store": store, "on_drift": "warn"}, memory=["x"])["a"]
    plain = told(staged, memory=["x"])["a"]

    assert said["staged"]["x"].startswith("s3://bucket/staged/")
    assert plain["staged"]["x"].startswith(".kedro-pipes/staging/")
    assert ("cloudpickle", "warn") == (said["staging_backend"], said["on_drift"])
    assert ("pickle", "refuse") == (plain["staging_backend"], plain["on_drift"])


def test_reporting(told):
    """What the worker is to find out about saved data, and of what it may speak."""
    said = told({"reporting": {"metadata": False, "previews": False, "data_versions": "never"}})
    plain = told({})["a"]
    wanted = ("describe", "previews", "data_versions")

    assert (False, False, "never") == tuple(said["a"][each] for each in wanted)
    assert (True, True, "auto") == tuple(plain[each] for each in wanted)
    assert {"x": "x"} == plain["known_assets"]


RUN_HOOKS = ["after_pipeline_run", "before_node_run", "before_pipeline_run"]
HOOKS = {
    "kedro-mlflow": RUN_HOOKS,
    "kedro_viz.integrations.Hooks": RUN_HOOKS,
    "shop.hooks.Timer": RUN_HOOKS,
    "shop.hooks.Stamps": ["before_node_run"],
    "slack-alerts": ["on_pipeline_error"],
}


@pytest.mark.parametrize(
    ("run_hooks", "expected"),
    [
        ("once", ["shop.hooks.Timer", "slack-alerts"]),
        ("per_process", []),
        ({"shop": "per_process"}, ["slack-alerts"]),
        ({"*": "per_process", "shop.hooks": "once"}, ["shop.hooks.Timer"]),
        ({"shop": "once", "shop.hooks.Timer": "per_process"}, ["slack-alerts"]),
        ({"Kedro_MLflow": "once", "*": "per_process"}, ["kedro-mlflow"]),
        ({"kedro-mlflow": "once"}, ["kedro-mlflow", "shop.hooks.Timer", "slack-alerts"]),
    ],
)
def test_run_hooks(told, run_hooks, expected):
    """A worker knows whose run-scoped hooks are fired once: all but of those that keep state."""
    said = told({"run_hooks": run_hooks, "blocked_plugins": ["kedro-pandera"]}, hooks=HOOKS)["a"]

    assert expected == said["hooks_once"]
    assert ["kedro-pandera"] == said["blocked_plugins"]


@pytest.mark.parametrize(
    ("logs", "settings", "level", "levels"),
    [
        ({}, {}, "INFO", {}),
        ({"level": "DEBUG"}, {}, "DEBUG", {"root": "DEBUG"}),
        ({"level": "DEBUG"}, {"log_level": "error"}, "ERROR", {"root": "ERROR"}),
        ({"levels": {"shop": "DEBUG"}}, {}, "INFO", {"shop": "DEBUG"}),
    ],
)
def test_what_is_logged(told, logs, settings, level, levels):
    """A run's level goes before the file's; only what somebody says changes the project's own."""
    said = told({"logs": logs}, **settings)["a"]

    assert (level, levels) == (said["log_level"], said["logger_levels"])


def test_parameters_that_the_export_was_given(told):
    """They are the defaults that people see, so they hold in every run that sets no others."""
    given = {"model": {"depth": 8, "seed": 1}}
    plain = told({}, given=given)["a"]
    changed = told({}, given=given, parameters={"model": {"depth": 9}})["a"]

    assert given == plain["runtime_params"]
    assert {"model": {"depth": 9, "seed": 1}} == changed["runtime_params"]


@pytest.mark.parametrize(("alone", "expected"), [(False, True), (True, False), (None, False)])
def test_trying_is_left_out_where_it_is_pointless(told, alone, expected):
    """Only a pipeline that was seen to fail alone makes the worker load all at once."""
    assert expected == told({}, __default__=alone)["a"]["load_all"]
