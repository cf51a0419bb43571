"""Plain Pipes programs, which know nothing of ours, under the same contract; and the reverse."""

import os
import signal
import threading
import time

import dagster as dg
import pytest
from kedro_manifest.invocation import Invocation, encode_invocation


@pytest.fixture
def bridge(program_bridge):
    """A bridge for programs."""
    return program_bridge


@pytest.mark.parametrize(
    "behaviour",
    ["success", "progress_bar", "noise", "big_messages", "huge_message", "nan", "unknown_level"],
)
def test_success(bridge, behaviour):
    """A program that opens Pipes, reports its asset and closes has succeeded, whatever it prints."""
    run = bridge.run_program("plain.py", behaviour)

    assert run.success, run.errors
    assert run.materialized == ["outcome"]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("raise_error", "ZeroDivisionError: one over nothing"),
        ("exit_0_without_closing", "without its closing message"),
        ("exception_but_exit_0", "ZeroDivisionError: one over nothing"),
        ("exit_3", "exited with code 3"),
        ("killed", "was killed by signal 9 (SIGKILL)"),
        ("bad_metadata", "a message 'report_asset_check' cannot be understood"),
        ("never_saved", "asset 'outcome' as done"),
    ],
)
def test_failure(bridge, behaviour, reason):
    """A program that fails in whatever way fails the step, with the reason."""
    run = bridge.run_program("plain.py", behaviour, assets=["first", "outcome"])

    assert not run.success
    assert reason in run.error


def test_keeps_what_came_before(bridge):
    """What a program reported before it exited with a code stays materialized."""
    run = bridge.run_program("plain.py", "exit_3", assets=["first", "outcome"])

    assert run.materialized == ["first"]


def test_no_such_program(bridge):
    """A program that does not exist is named, with what to do."""
    run = bridge.run_command(["no-such-program"])

    assert not run.success
    assert "Cannot start 'no-such-program'" in run.error


@pytest.mark.parametrize("extras", ["partition_keys", "assets"])
def test_large_context(bridge, extras):
    """A context that no environment variable can hold reaches the program whole."""
    data = {
        "partition_keys": [f"2026-01-01-{index:012d}" for index in range(20_000)],
        "assets": {f"warehouse/area/table_{index:05d}": "x" * 40 for index in range(5000)},
    }
    run = bridge.run_program("plain.py", "size_of_context", extras={extras: data[extras]})

    assert run.success, run.errors
    assert run.materializations["outcome"]["size"] > 128 * 1024


def test_environment(bridge, monkeypatch):
    """The orchestrator's secrets do not reach a program; what every program needs does."""
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", "secret")
    run = bridge.run_program("plain.py", "environment")

    names = run.materializations["outcome"]["names"].split()
    assert {"PATH", "HOME"} <= set(names)
    assert "DAGSTER_PG_PASSWORD" not in names
    assert not [name for name in names if name.startswith("KEDRO_PIPES_")]


def test_killed_from_outside(bridge):
    """A program that someone kills fails the step at once, and its children go with it."""
    watcher = threading.Thread(target=kill_when_hanging, args=(bridge,))
    watcher.start()
    run = bridge.run_program("plain.py", "hang")
    watcher.join()

    assert not run.success
    assert "was killed by signal 9 (SIGKILL)" in run.error
    assert bridge.leftovers() == []


def kill_when_hanging(bridge):
    deadline = time.monotonic() + 30
    while not (bridge.folder / "hanging").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    bridge.adapter.kill_worker(bridge.token)


@pytest.mark.parametrize("behaviour", ["hang", "hang_deaf"])
def test_orchestrator_killed(bridge, behaviour):
    """A program has no guardian of its own: the client gives it one."""
    orchestrator = os.fork()
    if orchestrator == 0:  # a step's process, as far as the client can tell
        try:
            bridge.run_program("plain.py", behaviour)
        finally:
            os._exit(0)
    deadline = time.monotonic() + 30
    while not (bridge.folder / "hanging").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(orchestrator, signal.SIGKILL)
    os.waitpid(orchestrator, 0)

    assert bridge.leftovers() == []


def test_our_worker_under_the_stock_client(bridge, run_definitions):
    """Dagster's own client can launch our worker: any Pipes client can."""
    invocation = Invocation(
        group="only",
        nodes=["only"],
        pipelines=["alone"],
        kedro_run_id="2026-11-01T00.00.00.000Z",
        dagster_run_id="not needed",
        package_name="misbehaving",
        dataset_assets={"outcome": "outcome"},
    )
    folder, python = str(bridge.project_dir), str(bridge.kedro_python)

    @dg.asset
    def outcome(context: dg.AssetExecutionContext):
        client = dg.PipesSubprocessClient(cwd=folder)
        command = [python, "-m", "kedro_pipes"]
        extras = encode_invocation(invocation)
        return client.run(command=command, context=context, extras=extras).get_results()

    definitions = dg.Definitions(assets=[outcome], jobs=[dg.define_asset_job("stock")])
    run = run_definitions(definitions, "stock")

    assert run.success, run.errors
    assert run.materializations["outcome"]["kedro/node"] == "only"
