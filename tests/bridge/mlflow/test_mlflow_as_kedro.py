"""What kedro-mlflow logs under Dagster, beside what it logs under `kedro run`."""

import json
import signal
import sqlite3
import subprocess
from types import SimpleNamespace

import pytest
import yaml
from dagster_kedro import KedroSubprocessClient

pytestmark = pytest.mark.mlflow


@pytest.fixture(scope="module")
def as_kedro(tracked, server, kedro_python):
    """The run that `kedro run` makes."""
    folder = tracked("as_kedro")
    command = [kedro_python.with_name("kedro"), "run", "--pipelines=fitting"]
    subprocess.run(command, cwd=folder, check=True)
    (made,) = server.runs("as_kedro")
    return made


@pytest.fixture(scope="module", params=["cold", "warm"])
def start(request):
    """Whether workers are forked."""
    return request.param


@pytest.fixture(scope="module")
def run_tracked(tracked, run_job, server, parent_of, start):
    """Run a job in an experiment of its own; return the run, its MLflow run and those in that."""

    def run(job, **options):
        experiment = f"{job}_{start}"
        client = KedroSubprocessClient(start=start)
        finished = run_job(tracked(experiment), job, client=client, **options)
        return finished, *parent_of(server.runs(experiment))

    return run


@pytest.fixture(scope="module")
def fitted(run_tracked, as_kedro):
    """The same pipeline under Dagster, and under `kedro run`."""
    run, parent, nested = run_tracked("fitting")
    assert run.success, run.errors
    groups = {name: group for name, (group,) in nested.items()}
    return SimpleNamespace(run=run, parent=parent, groups=groups, as_kedro=as_kedro)


def test_one_run_for_a_run_of_dagster(fitted):
    """A run of Dagster is one finished MLflow run with the job's name, and each group one in it."""
    assert ("fitting", "FINISHED") == (fitted.parent.name, fitted.parent.status)
    assert {"make_points", "fit", "judge+1", "count_points"} == fitted.groups.keys()
    assert {"FINISHED"} == {group.status for group in fitted.groups.values()}


def test_tags_name_the_run_of_dagster(fitted):
    """Dagster's run is a tag of the MLflow run and of those in it, beside the plugin's own tags."""
    (run_id,) = {entry.run_id for entry in fitted.run.entries}

    assert {run_id} == {
        each.tags["dagster.run_id"] for each in (fitted.parent, *fitted.groups.values())
    }
    assert "kedro run --node=fit --pipeline=fitting" == fitted.groups["fit"].tags["kedro_command"]
    assert fitted.as_kedro.tags["kedro_version"] == fitted.groups["fit"].tags["kedro_version"]


def test_the_same_is_logged(fitted):
    """Parameters, metrics and models of the one run are those of `kedro run`."""
    ours, theirs = fitted.parent, fitted.as_kedro

    assert {"count", "noise", "fitting.kind", "judging.tolerance"} == theirs.params.keys()
    assert theirs.params == ours.params
    assert {"counted", "excess", "curve.residuals"} == theirs.metrics.keys()
    assert theirs.metrics == ours.metrics
    assert 6 == len(theirs.history("curve.residuals"))
    assert theirs.history("curve.residuals") == ours.history("curve.residuals")
    assert {"line_model"} == theirs.model_names() == ours.model_names()


def test_each_group_logs_its_own(fitted):
    """A nested run holds what its group's nodes logged; artifacts are in these only."""
    groups = fitted.groups

    assert {"count": "6", "noise": "0.25"} == groups["make_points"].params
    assert {"excess", "curve.residuals"} == groups["judge+1"].metrics.keys()
    assert {"counted": 6} == groups["count_points"].metrics
    assert {"line_model"} == groups["fit"].model_names()
    assert {"line.json"} == fitted.as_kedro.artifacts() == groups["fit"].artifacts()
    assert set() == fitted.parent.artifacts()


def test_assets_link_to_their_run(fitted, server):
    """The metadata of an asset names the run of its group, and links to it on the server."""
    metadata = fitted.run.materializations["excess"]
    run_id = fitted.groups["judge+1"].id

    assert run_id == metadata["mlflow/run_id"]
    assert fitted.parent.id == metadata["mlflow/parent_run_id"]
    assert metadata["mlflow/run"].startswith(f"{server.url}/#/experiments/")
    assert metadata["mlflow/run"].endswith(f"/runs/{run_id}")


def test_who_reads_a_metric_runs_with_who_logged_it(fitted):
    """A metric is read from the run that is active, so its reader is in the group that logs it."""
    processes = fitted.run.process_ids

    assert processes["judge"] == processes["remark"] != processes["fit"]


def test_what_leaves_or_dies(run_tracked):
    """What a node leaves by `sys.exit(0)`, or is killed in, is failed and never left running."""
    run, parent, nested = run_tracked("leaving", max_concurrent=2)

    assert not run.success
    assert "FAILED" == parent.status
    assert {"arrive": "FINISHED", "leave": "FAILED", "die": "FAILED"} == {
        name: group.status for name, (group,) in nested.items()
    }


def test_a_store_without_a_server(tracked, run_job):
    """Forked workers open the database anew that the plugin has opened before the run."""
    folder = tracked("stored")
    config = yaml.safe_load((folder / "conf/local/mlflow.yml").read_text())
    config["server"] = {"mlflow_tracking_uri": f"sqlite:///{folder}/data/store.db"}
    (folder / "conf/local/mlflow.yml").write_text(yaml.safe_dump(config))
    run = run_job(folder, "beside", client=KedroSubprocessClient(start="warm"), max_concurrent=3)
    with sqlite3.connect(folder / "data/store.db") as store:
        statuses = store.execute("SELECT status FROM runs").fetchall()

    assert run.success, run.errors
    assert [("FINISHED",)] * 4 == statuses


@pytest.fixture
def work(kedro_python):
    """Run one worker by hand, as a run of Dagster that nobody ends; return its exit code."""

    def run(folder, dagster_run_id, *nodes, **fields):
        invocation = {
            "group": "+".join(nodes),
            "nodes": nodes,
            "pipelines": ["leaving"],
            "kedro_run_id": "2026-01-01T00.00.00.000Z",
            "dagster_run_id": dagster_run_id,
            "package_name": "tracked",
            "mlflow": {"root_run_id": "first", "name": "leaving", "is_contended": True},
            **fields,
        }
        (folder / "invocation.json").write_text(json.dumps(invocation))
        command = [kedro_python, "-m", "kedro_pipes", "--invocation", "invocation.json"]
        return subprocess.run(command, cwd=folder, check=False).returncode

    return run


def test_what_was_left_running(tracked, work, server, parent_of):
    """What a run left whose orchestrator was killed, the next one goes on in, and ends."""
    folder = tracked("left")
    exits = [work(folder, "first", "arrive"), work(folder, "first", "die")]
    left, in_left = parent_of(server.runs("left"))
    exits.append(work(folder, "again", "arrive"))
    end = {"status": "FAILED", "unfinished": "FAILED", "groups": ["arrive"]}
    exits.append(work(folder, "again", mlflow_end=end))
    parent, nested = parent_of(server.runs("left"))

    assert [0, -signal.SIGKILL, 0, 0] == exits
    assert ["RUNNING", "RUNNING"] == [left.status, in_left["die"][0].status]
    assert (left.id, "FAILED", "again") == (parent.id, parent.status, parent.tags["dagster.run_id"])
    assert ["FAILED"] == [each.status for each in nested["die"]]


def test_disabled_for_a_pipeline(tracked, run_job, server):
    """What `mlflow.yml` disables for a pipeline is disabled here: no run is made, and none fails."""
    run = run_job(tracked("disabled"), "untracked")

    assert run.success, run.errors
    assert [] == server.runs("disabled")
    assert "mlflow/run_id" not in run.materializations["lost"]


def test_without_the_plugin(tracked, run_job, server):
    """Where the project's settings disable the plugin, nothing happens."""
    folder = tracked("without")
    with (folder / "src/tracked/settings.py").open("a") as settings:
        settings.write('\nDISABLE_HOOKS_FOR_PLUGINS = ("kedro_mlflow",)\n')
    run = run_job(folder, "untracked")

    assert run.success, run.errors
    assert [] == server.runs("without")
    assert "mlflow/run_id" not in run.materializations["alone"]
