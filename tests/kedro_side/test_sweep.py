"""What sweeps take for left, and how they fail; pods that are left are in the bridge's tests."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest
from kedro_manifest.labels import KUBERNETES_RUN_LABEL, PROCESS_LABEL, RUN_LABEL
from kedro_manifest.processes import ProcessIdentity
from kedro_pipes.commands.docker.engine import Config, Container, State, Volume
from kedro_pipes.commands.docker.leftovers import left_volumes, reason_to_keep, since
from kedro_pipes.commands.k8s import leftovers as pods
from kedro_pipes.commands.k8s.cluster import (
    ConfigMap,
    ContainerState,
    ContainerStatus,
    Metadata,
    Owner,
    Pod,
    Status,
    Terminated,
)
from kedro_pipes.commands.leftovers import Limits

NOW = datetime(2026, 11, 25, 12, tzinfo=timezone.utc)
NEVER = datetime(1, 1, 1, tzinfo=timezone.utc)
ALIVE = str(ProcessIdentity.of_this_process())
GONE = ALIVE + "0"
"""The same number, of a process that began at another time."""
ELSEWHERE = f"another-kernel{ALIVE[ALIVE.index('/') :]}"
NAMES = {ALIVE: "alive", GONE: "gone", ELSEWHERE: "elsewhere"}
"""Of tests, which have to be called alike in each process that collects them."""
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
    ids=NAMES.get,
)
def test_what_is_left(status, age, process, expected):
    """A container is left when its step is gone, or should long have removed it."""
    assert expected == reason_to_keep(container(status, age, process), Limits(now=NOW))


@pytest.mark.parametrize(
    ("process", "expected"), [(ALIVE, "runs"), (ELSEWHERE, None)], ids=NAMES.get
)
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

    assert expected == limits.include(found.config.labels[RUN_LABEL], since(found))


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


def metadata(name, age, process="", owner=None, **more):
    return Metadata(
        name=name,
        namespace="flights",
        uid=f"uid of {name}",
        creation_timestamp=NOW - age,
        labels={KUBERNETES_RUN_LABEL: "run-1"},
        annotations={PROCESS_LABEL: process},
        owner_references=[Owner(kind="Pod", name=owner, uid=f"uid of {owner}")] if owner else [],
        **more,
    )


def pod(phase, age, process, owner):
    terminated = Terminated(finished_at=NOW - age) if phase == "Failed" else None
    return Pod(
        metadata=metadata("one", age + timedelta(hours=1), process, owner),
        status=Status(
            phase=phase,
            start_time=NOW - age,
            container_statuses=[ContainerStatus(state=ContainerState(terminated=terminated))],
        ),
    )


@pytest.mark.parametrize(
    ("phase", "age", "process", "owner", "expected"),
    [
        ("Running", LONG_AGO, ALIVE, None, "runs"),
        ("Running", JUST_NOW, GONE, None, None),
        ("Pending", LONG_AGO, GONE, None, None),
        ("Pending", LONG_AGO, ALIVE, None, "runs"),
        ("Running", LONG_AGO, ELSEWHERE, None, "may run"),
        ("Running", LONG_AGO, ELSEWHERE, "step", "runs"),
        ("Running", JUST_NOW, ELSEWHERE, "ended step", None),
        ("Running", JUST_NOW, GONE, "step", None),
        ("Failed", JUST_NOW, ELSEWHERE, "step", "just ended"),
        ("Failed", JUST_NOW, ELSEWHERE, None, "just ended"),
        ("Failed", JUST_NOW, ELSEWHERE, "ended step", None),
        ("Failed", LONG_AGO, ELSEWHERE, "step", None),
        ("Failed", LONG_AGO, ALIVE, None, None),
    ],
    ids=NAMES.get,
)
def test_which_pods_are_left(phase, age, process, owner, expected):
    """A pod is left as a container is; its step's pod, which owns it, tells whether the step runs."""
    found = pod(phase, age, process, owner)

    assert expected == pods.reason_to_keep(found, ["uid of step"], Limits(now=NOW))
    assert age == NOW - pods.since(found)


def test_a_pod_that_goes_is_let_go():
    """What is being deleted already needs nobody to delete it."""
    going = metadata("one", LONG_AGO, GONE, deletion_timestamp=NOW)

    assert "goes" == pods.reason_to_keep(Pod(metadata=going), [], Limits(now=NOW))


def test_which_config_maps_are_left():
    """A config map is left once it belongs to no pod, and none can be just about to be made."""
    old, new, used = (
        ConfigMap(metadata=metadata(name, age))
        for name, age in (("old", LONG_AGO), ("new", JUST_NOW), ("used", LONG_AGO))
    )

    assert [old] == pods.left_maps([old, new, used], {"used"}, Limits(now=NOW))
    assert [] == pods.left_maps([old], (), Limits(now=NOW, run="run-2"))


NO_DOCKER = (
    "Cannot ask the Docker engine: there is no `docker` command on the PATH. Install Docker's command "
    "line, or run this where it is.\n"
)
NO_KUBECTL = (
    "Cannot ask the Kubernetes API: there is no `kubectl` command on the PATH. Install it, or run this "
    "where it is.\n"
)


@pytest.mark.parametrize(("kind", "expected"), [("docker", NO_DOCKER), ("k8s", NO_KUBECTL)])
def test_without_the_command(kind, expected, tmp_path):
    """Where a command is missing, that is what is said, with the cure, and nothing else."""
    done = subprocess.run(
        [sys.executable, "-m", "kedro_pipes", kind, "sweep"],
        cwd=tmp_path,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (1, "", expected) == (done.returncode, done.stdout, done.stderr)


def test_a_time_without_a_unit_is_refused(tmp_path):
    """`--older-than` says what it takes."""
    command = [sys.executable, "-m", "kedro_pipes", "docker", "sweep", "--older-than", "12"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert 2 == done.returncode
    assert "expected a number and s, m, h or d, such as 90m; got '12'" in done.stderr
