"""`hooked`: every hook tells of its calls, under `kedro run` and under Dagster."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from dagster_kedro import KedroPipesResource, KedroSubprocessClient, build_definitions

WHOM = ("hooked", "called-plugin")
OF_SESSION = ("after_context_created", "after_catalog_created")
DEFINITIONS = """\
from pathlib import Path

from dagster_kedro import KedroProject, build_definitions

project = KedroProject(Path(__file__).parent, python={python!r}, env="steps")
defs = build_definitions(project)
"""
Calls = list[dict[str, Any]]


def calls_in(folder: Path) -> Calls:
    """Return what the hooks have told, in the order of all processes, commands left out."""
    lines = (folder / "hooks.jsonl").read_text().splitlines()
    return [call for each in lines if "command" not in (call := json.loads(each))]


def of_nodes(calls: Calls) -> Counter[str]:
    """Return how often each call of a node or a dataset was made, wherever, with its arguments."""
    ours = [call for call in calls if "node" in call and call["who"] in WHOM]
    return Counter(json.dumps({**call, "process_id": None}, sort_keys=True) for call in ours)


def of(calls: Calls, hook: str, who: str = "hooked") -> Calls:
    """Return the calls of a hook."""
    return [call for call in calls if (call["hook"], call["who"]) == (hook, who)]


def of_all(calls: Calls) -> Counter[str]:
    """Return how often each hook was called, and of each node and dataset with its arguments."""
    counted = Counter(f"{call['who']} {call['hook']}" for call in calls if call["who"] in WHOM)
    return counted + of_nodes(calls)


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
def run_hooked(copy_project, export, run_definitions, open_project):
    """Run the project in an environment of its own; return its calls and the run."""

    def run(env=None, *, step_per="selection", parameters=None, start="cold"):
        folder = copy_project("hooked")
        export(folder, *(["--env", env] if env else []))
        (folder / "hooks.jsonl").unlink()
        definitions = build_definitions(
            open_project(folder, env=env),
            step_per=step_per,
            resource=KedroPipesResource(
                client=KedroSubprocessClient(start=start), parameters=parameters or {}
            ),
        )
        finished = run_definitions(definitions, "__ASSET_JOB")
        return calls_in(folder), finished

    return run


@pytest.mark.parametrize(
    ("env", "groups", "step_per"),
    [
        ("tag", 3, "selection"),
        ("together", 1, "selection"),
        pytest.param("namespace", 4, "selection", marks=pytest.mark.slow),
        pytest.param("staged", 6, "selection", marks=pytest.mark.slow),
        pytest.param("staged", 6, "group", marks=pytest.mark.slow),
    ],
)
def test_as_often_as_kedro_run(run_hooked, by_kedro, env, groups, step_per):
    """Every hook is called as under `kedro run`; those of the session once in every process."""
    calls, run = run_hooked(env, step_per=step_per)
    workers = groups if groups == 1 else groups + 2
    (began,), (ended,) = of(calls, "before_pipeline_run"), of(calls, "after_pipeline_run")

    assert run.success, run.errors
    assert of_nodes(by_kedro) == of_nodes(calls)
    assert orders(by_kedro) == orders(calls)
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
    assert {began["run_id"]} == {call["version"] for call in of(calls, "after_catalog_created")}
    first = next(index for index, call in enumerate(calls) if "node" in call)
    assert calls.index(began) < first
    assert ended in calls[-2:]
    assert of(by_kedro, "after_pipeline_run")[0]["result"] == ended["result"]
    assert [] == [call for call in calls if call["who"] == "disabled-plugin"]
    # One that keeps state fires in each worker, before its nodes.
    stateful = of(calls, "before_node_run", "stateful")
    assert {began["run_id"]} == {call["kept"] for call in stateful}
    assert processes(stateful) == processes(of(calls, "before_pipeline_run", "stateful"))


@pytest.mark.parametrize(
    ("env", "groups"),
    [
        ("once", 6),
        pytest.param("staged", 6, marks=pytest.mark.slow),
        pytest.param("tag", 3, marks=pytest.mark.slow),
        pytest.param("together", 1, marks=pytest.mark.slow),
    ],
)
def test_in_one_session(run_hooked, by_kedro, env, groups):
    """Forked workers share one session: every hook is called as under `kedro run`, state and all."""
    calls, run = run_hooked(env, start="warm")
    (began,), (ended,) = of(calls, "before_pipeline_run"), of(calls, "after_pipeline_run")
    conductor = began["process_id"]

    assert run.success, run.errors
    assert of_all(by_kedro) == of_all(calls)
    assert orders(by_kedro) == orders(calls)
    assert groups == len(processes([call for call in calls if "node" in call]) - {conductor})
    of_run = [call for call in calls if "node" not in call]
    elsewhere = processes(of_run) - {conductor}
    assert (0 if env == "once" else groups) == len(elsewhere)
    assert {"stateful"} >= {call["who"] for call in of_run if call["process_id"] in elsewhere}
    assert (began["nodes"], ended["result"]) == (
        of(by_kedro, "before_pipeline_run")[0]["nodes"],
        of(by_kedro, "after_pipeline_run")[0]["result"],
    )
    assert calls.index(began) < next(index for index, call in enumerate(calls) if "node" in call)
    assert ended in calls[-2:]
    # What is kept before the run is in every worker, by whatever hook.
    assert {began["run_id"]} == {call["kept"] for call in of(calls, "before_node_run", "stateful")}


@pytest.fixture(scope="module")
def failed_by_kedro(copy_project, kedro_run) -> Calls:
    """What a `kedro run` calls that fails."""
    folder = copy_project("hooked")
    kedro_run(folder, "--params=fail=true", code=1)
    return calls_in(folder)


@pytest.mark.parametrize(
    ("env", "start"),
    [
        (None, "cold"),
        (None, "warm"),
        pytest.param("together", "cold", marks=pytest.mark.slow),
        pytest.param("together", "warm", marks=pytest.mark.slow),
    ],
)
def test_as_often_as_a_kedro_run_that_fails(run_hooked, failed_by_kedro, env, start):
    """`on_pipeline_error` is called once, with the node's error, and nothing says that all is well."""
    calls, run = run_hooked(env, parameters={"fail": True}, start=start)
    (expected,), (error,) = of(failed_by_kedro, "on_pipeline_error"), of(calls, "on_pipeline_error")

    assert not run.success
    assert "told to fail" in run.error
    assert 1 == len(of(calls, "on_node_error"))
    assert (
        of(failed_by_kedro, "on_node_error")[0]["error"] == of(calls, "on_node_error")[0]["error"]
    )
    assert [] == of(calls, "after_pipeline_run")
    told = ("error", "nodes", "params", "has_catalog")
    assert [expected[key] for key in told] == [error[key] for key in told]
    assert "raise LookupError" in error["shown"]
    assert error in calls[-2:]


@pytest.mark.slow
def test_steps_that_are_processes(copy_project, kedro_run, export, kedro_python, dagster_command):
    """Steps that run at the same time agree, in Dagster's event log, on who begins and ends."""
    folder = copy_project("hooked")
    kedro_run(folder)
    export(folder, "--env", "steps")
    (folder / "hooks.jsonl").unlink()
    (folder / "definitions.py").write_text(DEFINITIONS.format(python=str(kedro_python)))
    done = dagster_command(folder, "job", "execute", "-f", "definitions.py", "-j", "halves")
    calls = calls_in(folder)
    (began,), (ended,) = of(calls, "before_pipeline_run"), of(calls, "after_pipeline_run")

    assert 0 == done.returncode, done.stderr
    assert 4 == len(processes(calls))
    assert ["left.add", "left.square", "right.add", "right.square"] == began["nodes"]
    assert calls.index(began) < next(index for index, call in enumerate(calls) if "node" in call)
    assert ended in calls[-2:]
