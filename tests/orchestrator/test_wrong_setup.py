"""What a user gets told whose set-up is wrong: runs that fail before any node does."""

import sys

import dagster as dg
import pytest
from dagster_kedro import KedroPipesResource, KedroProject, KedroSubprocessClient, build_definitions
from kedro_manifest.errors import OrchestrationError


@pytest.mark.parametrize(
    ("orchestration", "place"),
    [
        ({"concurrency": {"pool": "a b"}}, "concurrency.pool: "),
        ({"memory_datasets": {"tabel": "stage"}}, "memory_datasets.tabel: .*'table'"),
        ({"jobs": {"observe_inputs": {"pipeline": "__default__"}}}, "jobs.observe_inputs: "),
    ],
    ids=str,
)
def test_what_every_run_or_dagster_would_refuse_is_told_by_its_place(
    project, node, orchestration, place
):
    """Nobody has to find out from Dagster's words which entry of dagster.yml is meant."""
    opened = project(node("prepare", ["raw"], ["table"]), orchestration=orchestration)

    with pytest.raises(OrchestrationError, match=place):
        build_definitions(opened)


@pytest.fixture
def error_of(project, node):
    """Run a job of a project that has no Kedro; return the step's error."""

    def run(**options) -> str:
        folder = project(node("make", [], ["table"])).project_dir
        client = options.pop("client", KedroSubprocessClient())
        definitions = build_definitions(KedroProject(folder, **options), client=client)
        return failed_step(definitions.resolve_job_def("__default__"))

    return run


def failed_step(job) -> str:
    result = job.execute_in_process(raise_on_error=False)
    assert not result.success
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    return failure.step_failure_data.error.to_string()


def test_no_interpreter(error_of):
    """A project without an interpreter is told where to name one."""
    assert "no interpreter is known. Pass `python=` to KedroProject" in error_of()


def test_missing_interpreter(error_of):
    """An interpreter that does not exist is named; the client's own wins over the project's."""
    client = KedroSubprocessClient(python="/no/such/python")

    error = error_of(client=client, python=sys.executable)
    assert "Cannot start a worker for group 'make' with '/no/such/python'" in error
    assert "No such file or directory" in error


def test_environment_without_kedro(error_of):
    """A worker in an environment without Kedro says what is missing, and whose `python` is meant."""
    error = error_of(python=sys.executable)

    assert f"NoKedroError: Cannot work for a Kedro project with '{sys.executable}'" in error
    assert "Name the interpreter of the project's own environment" in error
    assert "WorkerRefusedError" in error


def test_environment_without_the_worker(error_of, tmp_path):
    """An interpreter without kedro-dagster-pipes is quoted: nothing came through the channel."""
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.base_prefix}/bin/python3 -I "$@"\n')
    bare.chmod(0o755)

    error = error_of(python=bare)
    assert "exited with code 1" in error
    assert "No module named kedro_pipes" in error


def test_a_program_that_is_no_worker(error_of):
    """An interpreter that does nothing and exits with 0 has not made the asset."""
    error = error_of(python="/bin/true")

    assert "the stream ended without its closing message" in error


def test_an_op_of_another_make(project, node):
    """The resource refuses a step that was not made by `@kedro_assets`."""
    project(node("make", [], ["table"]))

    @dg.asset
    def foreign(context: dg.AssetExecutionContext, kedro: KedroPipesResource):
        yield from kedro.run(context).stream()

    definitions = dg.Definitions(
        assets=[foreign],
        jobs=[dg.define_asset_job("all")],
        resources={"kedro": KedroPipesResource(client=KedroSubprocessClient())},
    )
    assert "Cannot run Kedro nodes in op 'foreign'" in failed_step(
        definitions.resolve_job_def("all")
    )


def test_a_setting_that_does_not_exist(project, node):
    """A misspelt setting in the Launchpad is refused before anything runs."""
    definitions = build_definitions(project(node("make", [], ["table"])))
    config = {"resources": {"kedro": {"config": {"parameter": {}}}}}

    with pytest.raises(dg.DagsterInvalidConfigError, match="parameter"):
        definitions.resolve_job_def("__default__").execute_in_process(run_config=config)
