"""What is left of a worker when the orchestrator is killed: nothing."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

ORCHESTRATOR = """
import os, subprocess, sys, time
read, write = os.pipe()
environment = {**os.environ, "KEDRO_PIPES_CONTROL_FD": str(read), "KEDRO_PIPES_GRACE_S": "0.2"}
command = [sys.executable, "-m", "kedro_pipes.guardian", "sleep", "60"]
subprocess.Popen(command, env=environment, pass_fds=(read,), start_new_session=True)
os.close(read)
time.sleep(60)
"""


def processes(marker):
    """Return the running processes that carry a variable, with their command lines."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if marker in (folder / "environ").read_bytes():
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                found[int(folder.name)] = line
    return found


def wait_until(true, seconds=10):
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return true()


@pytest.fixture(params=["", "trap '' TERM;"], ids=["heeds-sigterm", "ignores-sigterm"])
def orchestrator(request, tmp_path):
    """A process that has started a worker (here `sleep`), and a function that lists them all.

    Dagster ignores SIGTERM where it ignores SIGINT: in the background of a shell. What it starts
    inherits that.
    """
    marker = f"GUARDIAN_TEST={tmp_path}"
    environment = {**os.environ, "GUARDIAN_TEST": str(tmp_path)}
    command = ["sh", "-c", f'{request.param} exec "$@"', "sh", sys.executable, "-c", ORCHESTRATOR]
    process = subprocess.Popen(command, env=environment)

    def living():
        return processes(marker.encode())

    # The orchestrator, the program, and its guardian.
    assert wait_until(lambda: len(living()) == 3 and "sleep 60 " in living().values()), living()
    yield process, living
    for process_id in living():
        with suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("guardian", ["lives", "was killed"])
def test_nothing_outlives_the_orchestrator(orchestrator, guardian):
    """The guardian ends the worker; if it was killed, the parent-death signal does."""
    process, living = orchestrator
    if guardian == "was killed":
        (its_id,) = (
            number for number, line in living().items() if "-m kedro_pipes.guardian" in line
        )
        os.kill(its_id, signal.SIGKILL)
        assert wait_until(lambda: len(living()) == 2)
    process.kill()
    process.wait()

    assert wait_until(lambda: not living()), living()


def test_the_standard_input_can_be_the_control_pipe():
    """In a container there is no other: its end ends the program, which itself cannot read it."""
    program = "import sys; print(repr(sys.stdin.read()), flush=True); import time; time.sleep(60)"
    worker = subprocess.Popen(
        [sys.executable, "-m", "kedro_pipes.guardian", sys.executable, "-c", program],
        env={**os.environ, "KEDRO_PIPES_CONTROL_FD": "0", "KEDRO_PIPES_GRACE_S": "0.2"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    said = worker.stdout.readline()
    runs = worker.poll() is None
    worker.stdin.close()

    assert (b"''\n", True) == (said, runs)
    assert -signal.SIGTERM == worker.wait(timeout=10)


@pytest.fixture
def leased(tmp_path):
    """A program whose orchestrator has to be heard from time to time, and what it is heard by."""
    variables = {
        "GUARDIAN_TEST": str(tmp_path),
        "KEDRO_PIPES_CONTROL_FD": "0",
        "KEDRO_PIPES_GRACE_S": "0.2",
        "KEDRO_PIPES_LEASE_S": "1.5",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "kedro_pipes.guardian", "sleep", "60"],
        env={**os.environ, **variables},
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    marker = f"GUARDIAN_TEST={tmp_path}".encode()
    assert wait_until(lambda: "sleep 60 " in processes(marker).values())
    yield process
    process.kill()
    process.wait()


def beat(process, times, text=b"\n"):
    for _ in range(times):
        process.stdin.write(text)
        process.stdin.flush()
        time.sleep(0.4)


def test_a_lease_that_is_kept(leased):
    """A program lives for as long as something is heard, and ends once nothing is any more."""
    beat(leased, 6)
    assert leased.poll() is None

    assert wait_until(lambda: leased.poll() is not None, seconds=5)
    assert -signal.SIGTERM == leased.returncode


def test_an_end_of_file_is_silence(leased):
    """A connection that breaks ends nothing at once: it may be opened again."""
    beat(leased, 1)
    leased.stdin.close()
    time.sleep(0.4)
    assert leased.poll() is None

    assert wait_until(lambda: leased.poll() is not None, seconds=5)


def test_all_is_well(leased):
    """Who is told that all is well is left alone."""
    beat(leased, 1, b"\n.")
    leased.stdin.close()
    time.sleep(2)

    assert leased.poll() is None
