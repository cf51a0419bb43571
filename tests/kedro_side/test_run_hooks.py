"""Workers that only fire the hooks of a run: what these are told, by any version of Kedro."""

import json
import os
import subprocess
import sys

import pytest
from kedro.io import DatasetError
from kedro_manifest.invocation import RunError
from kedro_pipes.worker.run_hooks import WorkerFailedError, WorkerTraceback, rebuild

NODES = ["compare", "left.add", "left.square", "right.add", "right.square", "split"]
RUN_ID = "2026-01-01T00.00.00.000Z"


@pytest.fixture
def calls_of(copied):
    """Run a worker of the project `hooked` by hand; return the hooks that its own class told of."""
    project = copied("hooked")

    def run(**particulars):
        invocation = {
            "group": "by hand",
            "nodes": NODES,
            "pipelines": ["__default__"],
            "kedro_run_id": RUN_ID,
            "dagster_run_id": "none",
            "package_name": "hooked",
            "hooks_once": ["hooked.hooks.TellingHooks"],
            **particulars,
        }
        (project / "invocation.json").write_text(json.dumps(invocation))
        (project / "hooks.jsonl").unlink(missing_ok=True)
        subprocess.run(
            [sys.executable, "-m", "kedro_pipes", "--invocation", "invocation.json"],
            cwd=project,
            env={**os.environ, "KEDRO_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"},
            capture_output=True,
            check=True,
        )
        calls = map(json.loads, (project / "hooks.jsonl").read_text().splitlines())
        return {call["hook"]: call for call in calls if call["who"] == "hooked"}

    return run


def test_a_run_begins_and_ends(calls_of):
    """Both get the run as Kedro describes it; the end gets what is there of its results."""
    calls_of(hooks_once=[])  # makes the data, and fires everything itself
    began = calls_of(run_hooks={"run": "begins"})
    ended = calls_of(run_hooks={"run": "ends"}, load_versions={"verdict": RUN_ID})
    session = ["after_catalog_created", "after_context_created"]
    told = {"run_id": RUN_ID, "node_names": NODES, "nodes": NODES, "has_catalog": True}

    assert [*session, "before_pipeline_run"] == sorted(began)
    assert [*session[:1], "after_context_created", "after_pipeline_run"] == sorted(ended)
    assert told == {key: began["before_pipeline_run"][key] for key in told}
    assert told == {key: ended["after_pipeline_run"][key] for key in told}
    result = ended["after_pipeline_run"]["result"]
    assert result in ({"verdict": {"larger": "second"}, "remark": "gone"}, {})  # {}: before 1.0


def test_a_run_fails(calls_of):
    """The error is the node's own, with its traceback as its cause."""
    error = {"type": "builtins.LookupError", "message": "no luck", "traceback": "Traceback: here"}
    failed = calls_of(run_hooks={"run": "ends", "error": error})

    assert {"after_context_created", "after_catalog_created", "on_pipeline_error"} == set(failed)
    assert "LookupError('no luck')" == failed["on_pipeline_error"]["error"]
    assert "Traceback: here" in failed["on_pipeline_error"]["shown"]


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        ("builtins.ZeroDivisionError", ZeroDivisionError),
        ("kedro.io.core.DatasetError", DatasetError),
        ("builtins.UnicodeDecodeError", WorkerFailedError),  # takes more than a message
        ("builtins.KeyError", WorkerFailedError),  # would say something else
        ("a_library.that_is.GoneError", WorkerFailedError),
        ("hooked.nodes.function.<locals>.LocalError", WorkerFailedError),
        ("builtins.SystemExit", WorkerFailedError),  # would end the worker
        ("WorkerExitedError", WorkerFailedError),
    ],
)
def test_exceptions_are_made_again(type_, expected):
    """An exception is of its own class where that can say the same, else its text names it."""
    error = rebuild(RunError(type=type_, message="it is 'so'", traceback="Traceback …"))

    assert expected is type(error)
    assert "it is 'so'" in str(error)
    assert type_.rpartition(".")[2] in f"{type(error).__name__}: {error}"
    assert isinstance(error.__cause__, WorkerTraceback)
