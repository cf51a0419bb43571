"""`hooked`: every hook tells of its calls, under `kedro run` and under Dagster."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from dagster_kedro import build_definitions
from kedro_manifest.orchestration.hooks import RUN_SCOPED

WHOM = ("hooked", "called-plugin")
OF_SESSION = ("after_context_created", "after_catalog_created")
Calls = list[dict[str, Any]]


def calls_in(folder: Path) -> Calls:
    """Return what the hooks have told, in the order of all processes, commands left out."""
    lines = (folder / "hooks.jsonl").read_text().splitlines()
    return [call for each in lines if "command" not in (call := json.loads(each))]


def count(calls: Calls, *hooks: str) -> Counter[str]:
    """Return how often each call was made, whenever and wherever; by default of nodes and data."""
    passing = ("process_id", "run_id", "error" if "on_node_error" not in hooks else "")
    chosen = [
        call
        for call in calls
        if (call["hook"] in hooks if hooks else call["hook"] not in (*OF_SESSION, *RUN_SCOPED))
    ]
    return Counter(
        json.dumps({key: call[key] for key in sorted(call.keys() - set(passing))})
        for call in chosen
        if call["who"] in WHOM
    )


def of(calls: Calls, hook: str, who: str = "hooked") -> Calls:
    """Return the calls of a hook."""
    return [call for call in calls if (call["hook"], call["who"]) == (hook, who)]


def processes(calls: Calls) -> set[int]:
    """Return the processes that calls were made in."""
    return {call["process_id"] for call in calls}


def orders(calls: Calls) -> dict[str, list[tuple[str, str]]]:
    """Return the hooks of each node in their order."""
    found: dict[str, list[tuple[str, str]]] = {}
    for call in calls:
        if "node" in call:
            found.setdefault(call["node"], []).append((call["who"], call["hook"]))
    return found


@pytest.fixture(scope="module")
def by_kedro(run_by_kedro) -> Calls:
    """What `kedro run` calls."""
    return calls_in(run_by_kedro("hooked"))


@pytest.fixture(scope="module")
def run_hooked(copy_project, export, run_job, run_definitions, open_project):
    """Run the project in an environment of its own; return its calls and the run."""

    def run(env=None, *, step_per=None, parameters=None, hooks=None, **options):
        folder = copy_project("hooked")
        if hooks is not None:
            (folder / "conf/base/dagster.yml").write_text(json.dumps(hooks))
        export(folder, *(["--env", env] if env else []))
        (folder / "hooks.jsonl").unlink()
        if step_per is None:
            project_options = {"env": env}
            finished = run_job(
                folder,
                "__default__",
                project_options=project_options,
                parameters=parameters or {},
                **options,
            )
        else:
            definitions = build_definitions(open_project(folder, env=env), step_per=step_per)
            finished = run_definitions(definitions, "__ASSET_JOB")
        return calls_in(folder), finished

    return run


@pytest.mark.parametrize(
    ("env", "groups", "step_per"),
    [
        ("tag", 3, None),
        ("together", 1, None),
        pytest.param("namespace", 4, None, marks=pytest.mark.slow),
        pytest.param("staged", 6, None, marks=pytest.mark.slow),
        pytest.param("staged", 6, "group", marks=pytest.mark.slow),
    ],
)
def test_as_often_as_kedro_run(run_hooked, by_kedro, env, groups, step_per):
    """Every hook is called as under `kedro run`; those of the session once in every process."""
    calls, run = run_hooked(env, step_per=step_per)
    workers = groups if groups == 1 else groups + 2
    (began,), (ended,) = of(calls, "before_pipeline_run"), of(calls, "after_pipeline_run")

    assert run.success, run.errors
    assert count(by_kedro) == count(calls)
    assert orders(by_kedro) == orders(calls)
    assert count(by_kedro, "on_pipeline_error") == count(calls, "on_pipeline_error")
    assert groups == len(processes(of(calls, "before_dataset_loaded")))
    for hook in OF_SESSION:
        assert workers == len(of(calls, hook)) == len(processes(of(calls, hook)))
    assert workers == len(processes(calls))
    assert (1, 1) == (
        len(of(calls, "before_pipeline_run", "called-plugin")),
        len(of(calls, "after_pipeline_run", "called-plugin")),
    )
    # In order, and with all that they are told by Kedro.
    told = ("run_id", "node_names", "nodes", "params", "has_catalog")
    assert [began[key] for key in told] == [ended[key] for key in told]
    assert of(by_kedro, "before_pipeline_run")[0]["nodes"] == began["nodes"] == began["node_names"]
    assert {began["run_id"]} == {call["run_id"] for call in calls if "run_id" in call}
    first = next(index for index, call in enumerate(calls) if "node" in call)
    assert calls.index(began) < first
    assert ended in calls[-2:]
    assert of(by_kedro, "after_pipeline_run")[0]["result"] == ended["result"]
    assert [] == [call for call in calls if call["who"] == "disabled-plugin"]


@pytest.fixture(scope="module")
def failed_by_kedro(copy_project, kedro_run) -> Calls:
    """What a `kedro run` calls that fails."""
    folder = copy_project("hooked")
    kedro_run(folder, "--params=fail=true", code=1)
    return calls_in(folder)


@pytest.mark.parametrize("env", [None, "together"])
def test_as_often_as_a_kedro_run_that_fails(run_hooked, failed_by_kedro, env):
    """`on_pipeline_error` is called once, with the node's error, and nothing says that all is well."""
    calls, run = run_hooked(env, parameters={"fail": True})
    (expected,), (error,) = of(failed_by_kedro, "on_pipeline_error"), of(calls, "on_pipeline_error")

    assert not run.success
    assert "told to fail" in run.error
    assert count(failed_by_kedro, "on_node_error") == count(calls, "on_node_error")
    assert [] == of(calls, "after_pipeline_run")
    told = ("error", "nodes", "params", "has_catalog")
    assert [expected[key] for key in told] == [error[key] for key in told]
    assert "raise LookupError" in error["shown"]
    assert error in calls[-2:]


def test_state_that_node_hooks_need(run_hooked):
    """Where `run_hooks` says so, each worker's own hooks have begun before its nodes."""
    calls, _ = run_hooked()
    nodes = of(calls, "before_node_run", "stateful")
    (began,) = of(calls, "before_pipeline_run")

    assert 6 == len(nodes)
    assert {began["run_id"]} == {call["kept"] for call in nodes}
    assert processes(nodes) == processes(of(calls, "before_pipeline_run", "stateful"))
    assert began["process_id"] not in processes(nodes)
