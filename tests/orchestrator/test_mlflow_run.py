"""Which workers are told what of the MLflow run, and how it ends; the workers are scripts."""

import dagster as dg
import msgspec
import pytest
from dagster_kedro import KedroPipesResource, KedroProject, build_definitions
from dagster_kedro.clients.base import WorkerExit
from dagster_kedro.clients.scripted import Script, ScriptedClient, script_lines
from kedro_manifest.codec import write_manifest
from kedro_manifest.events import MlflowRunStarted, NodeStarted, encode_event
from kedro_manifest.invocation import EXTRAS_KEY, Invocation
from kedro_manifest.model import HookImplementation

END = "end the MLflow run"
PLUGIN = HookImplementation(name="kedro_mlflow", hooks=["before_pipeline_run"])
STARTED = MlflowRunStarted(run_id="nested", parent_run_id="parent", url="http://mlflow/nested")


def told(event):
    return ("report_custom_message", {"payload": encode_event(event)})


def worker(name, *events, fails=False):
    """A worker that makes the asset of its node's name, or exits with 1."""
    saved = ("report_asset_materialization", {"asset_key": name, "metadata": {}})
    said = [told(event) for event in (*events, NodeStarted(node=name))]
    lines = script_lines(("opened", {}), *said, *([] if fails else [saved]), ("closed", {}))
    return Script(lines=lines, ended=WorkerExit(code=1 if fails else 0))


def ends(code=0):
    """The worker that ends the run."""
    lines = script_lines(("opened", {}), ("closed", {}))
    return Script(lines=lines, ended=WorkerExit(code=code))


@pytest.fixture
def run(tmp_path, manifest, node):
    """Run three nodes that do not depend on each other; return the run and its invocations."""

    def run_three(scripts, *, plugins=(PLUGIN,), job="__default__", **options):
        nodes = [node(name, [], [name]) for name in "abc"]
        of_project = msgspec.structs.replace(manifest(*nodes), hooks=list(plugins))
        write_manifest(of_project, tmp_path / "manifest.json")
        client = ScriptedClient.playing({END: ends(), **scripts})
        resource = KedroPipesResource(client=client, max_concurrent=3)
        definitions = build_definitions(KedroProject(tmp_path), resource=resource, **options)
        with dg.DagsterInstance.ephemeral() as instance:
            result = definitions.resolve_job_def(job).execute_in_process(
                instance=instance, raise_on_error=False
            )
            logs = [entry.user_message for entry in instance.all_logs(result.run_id)]
        told_to = [
            msgspec.convert(launch.context_data["extras"][EXTRAS_KEY], Invocation)
            for launch in client.launches
        ]
        return result, told_to, logs

    return run_three


def test_one_worker_makes_it(run):
    """One worker is told to make the run; the others wait for it, and are told which it is."""
    result, (first, *others, end), _ = run({name: worker(name, STARTED) for name in "abc"})

    assert result.success
    assert (None, False) == (first.mlflow.run_id, first.mlflow.is_contended)
    assert ["parent", "parent"] == [each.mlflow.run_id for each in others]
    assert result.run_id == first.mlflow.root_run_id
    assert ("FINISHED", "FAILED", None) == (
        end.mlflow_end.status,
        end.mlflow_end.unfinished,
        end.mlflow_end.groups,
    )
    assert "parent" == end.mlflow.run_id


def test_the_log_links_to_it(run):
    """The run's log says where MLflow shows what a group has logged."""
    _, _, logs = run({name: worker(name, STARTED) for name in "abc"})

    assert "Tracked by MLflow run nested, nested in parent: http://mlflow/nested." in logs


def test_a_failure_ends_it_as_failed(run):
    """A group that fails ends the run as failed, once the other groups are over."""
    scripts = {name: worker(name, STARTED, fails=name == "b") for name in "abc"}
    result, invocations, _ = run(scripts)

    assert not result.success
    assert 4 == len(invocations)
    assert "FAILED" == invocations[-1].mlflow_end.status


def test_a_first_worker_that_makes_none(run):
    """Where the first worker tracks nothing, the others do not wait for it, and may make one."""
    result, invocations, _ = run({name: worker(name) for name in "abc"})

    assert result.success
    assert [False, True, True] == [each.mlflow.is_contended for each in invocations[:3]]


def test_it_cannot_be_ended(run):
    """What a run has made is made, whether or not MLflow hears of it: the log warns."""
    scripts = {name: worker(name, STARTED) for name in "abc"}
    result, _, logs = run({**scripts, END: ends(code=1)})

    assert result.success
    assert any("The MLflow run was not ended" in line for line in logs)


def test_without_the_plugin(run):
    """Without kedro-mlflow no worker is started besides, and none waits for another."""
    result, invocations, _ = run({name: worker(name) for name in "abc"}, plugins=())

    assert result.success
    assert {"a", "b", "c"} == {each.group for each in invocations}


def test_a_plugin_that_the_manifest_does_not_know(run):
    """A run that a worker has made all the same is ended as well."""
    scripts = {name: worker(name, STARTED) for name in "abc"}
    _, invocations, _ = run(scripts, plugins=())

    assert "FINISHED" == invocations[-1].mlflow_end.status


def test_steps_of_their_own(run):
    """Of several steps one makes the run, and the last one ends it."""
    scripts = {name: worker(name, STARTED) for name in "abc"}
    result, invocations, _ = run(scripts, step_per="group")

    assert result.success
    assert ["a", "b", "c", END] == sorted((each.group for each in invocations), key=len)
    assert [False, True, True] == [each.mlflow.is_contended for each in invocations[:3]]
    assert (END, None) == (invocations[-1].group, invocations[-1].mlflow_end.groups)


def test_a_step_that_fails(run):
    """Of several steps the one that fails ends the run, and only what ran in it; so do later ones."""
    scripts = {name: worker(name, STARTED, fails=name == "a") for name in "abc"}
    result, invocations, _ = run(scripts, step_per="group")

    assert not result.success
    made = [each.mlflow_end for each in invocations if each.mlflow_end]
    assert {("FAILED", "a")} <= {(end.status, *end.groups) for end in made}
    assert "FAILED" == made[-1].status
