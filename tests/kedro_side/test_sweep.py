"""What `kedro pipes docker sweep` takes for left, and how it fails; engines are in the bridge's tests."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest
from kedro_manifest.labels import PROCESS_LABEL, RUN_LABEL
from kedro_manifest.processes import ProcessIdentity
from kedro_pipes.commands.docker.engine import Config, Container, State, Volume
from kedro_pipes.commands.docker.leftovers import Limits, left_volumes, reason_to_keep, since

NOW = datetime(2026, 11, 25, 12, tzinfo=timezone.utc)
NEVER = datetime(1, 1, 1, tzinfo=timezone.utc)
ALIVE = str(ProcessIdentity.of_this_process())
GONE = ALIVE + "0"
"""The same number, of a process that began at another time."""
ELSEWHERE = f"another-kernel{ALIVE[ALIVE.index('/') :]}"
LONG_AGO, JUST_NOW = timedelta(hours=3), timedelta(seconds=5)

pytestmark = pytest.mark.skipif(ALIVE == "None", reason="processes are told apart by /proc")


def container(status, age, process="", run="run-1"):
    moment = NOW - age
    idle = status in ("exited", "created")
    return Container(
        id="1",
        name="/one",
        created=moment - timedelta(hours=1) if status != "created" else moment,
        state=State(
            status=status,
            started_at=NEVER if status == "created" else moment - age * idle,
            finished_at=moment if status == "exited" else NEVER,
        ),
        config=Config(labels={PROCESS_LABEL: process, RUN_LABEL: run}),
    )


@pytest.mark.parametrize(
    ("status", "age", "process", "expected"),
    [
        ("running", LONG_AGO, ALIVE, "runs"),
        ("running", JUST_NOW, GONE, None),
        ("paused", LONG_AGO, GONE, None),
        ("running", LONG_AGO, ELSEWHERE, "may run"),
        ("running", LONG_AGO, "", "may run"),
        ("running", LONG_AGO, "no/identity", "may run"),
        ("exited", JUST_NOW, ALIVE, "just ended"),
        ("exited", JUST_NOW, ELSEWHERE, "just ended"),
        ("created", JUST_NOW, ELSEWHERE, "just ended"),
        ("exited", JUST_NOW, GONE, None),
        ("exited", LONG_AGO, ALIVE, None),
        ("created", LONG_AGO, ELSEWHERE, None),
    ],
)
def test_what_is_left(status, age, process, expected):
    """A container is left when its step is gone, or should long have removed it."""
    assert expected == reason_to_keep(container(status, age, process), Limits(now=NOW))


@pytest.mark.parametrize(("process", "expected"), [(ALIVE, "runs"), (ELSEWHERE, None)])
def test_running_spares_what_is_waited_for(process, expected):
    """`--running` ends what nobody can be asked about, and nothing that a live step waits for."""
    limits = Limits(now=NOW, running=True)

    assert expected == reason_to_keep(container("running", LONG_AGO, process), limits)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(now=NOW), True),
        (Limits(now=NOW, run="run-1"), True),
        (Limits(now=NOW, run="run"), True),
        (Limits(now=NOW, run="un-1"), False),
        (Limits(now=NOW, older_than=timedelta(hours=2)), True),
        (Limits(now=NOW, older_than=timedelta(hours=4)), False),
    ],
)
def test_what_is_meant(limits, expected):
    """Run and age narrow what is looked at; the age is of the end, not of the beginning."""
    found = container("exited", LONG_AGO)

    assert expected == limits.include(found.config.labels, since(found))


def test_volumes():
    """An unused volume is left once it cannot be one that a container is just being made for."""
    old, new = (
        Volume(name=str(age), created_at=NOW - age, labels={RUN_LABEL: "run-1"})
        for age in (LONG_AGO, JUST_NOW)
    )

    assert [old] == left_volumes([old, new], Limits(now=NOW))
    assert [] == left_volumes([old, new], Limits(now=NOW, run="run-2"))


def test_a_process_that_has_ended_is_known_to_be_gone():
    """An identity goes with its process, also when it has not been waited for yet."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = ProcessIdentity.read(str(ProcessIdentity.of(process.pid)))
    assert identity.is_alive()

    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert False is identity.is_alive()
    process.wait()
    assert False is identity.is_alive()


def test_without_the_docker_command(tmp_path):
    """Where there is no `docker`, that is what is said, with the cure, and nothing else."""
    command = [sys.executable, "-m", "kedro_pipes", "docker", "sweep"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (1, "") == (done.returncode, done.stdout)
    assert (
        "Cannot ask a Docker engine: there is no `docker` command on the PATH. Install Docker's "
        "command line, or run this where it is.\n" == done.stderr
    )


def test_a_time_without_a_unit_is_refused(tmp_path):
    """`--older-than` says what it takes."""
    command = [sys.executable, "-m", "kedro_pipes", "docker", "sweep", "--older-than", "12"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert 2 == done.returncode
    assert "expected a number and s, m, h or d, such as 90m; got '12'" in done.stderr
