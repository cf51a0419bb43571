"""What can go wrong with containers only: each with its reason, and nothing left behind."""

import gc
import json
import threading
import time

import pytest
from conformance_clients import DockerUnderTest, docker
from conformance_engines import Relay

pytestmark = pytest.mark.docker


@pytest.fixture
def bridge(make_bridge):
    """A bridge through containers; whatever it started is gone after, exited containers too."""
    made = make_bridge(DockerUnderTest("docker-stdout", "stdout"))
    yield made
    assert made.leftovers() == []
    label = f"label=CONFORMANCE_TOKEN={made.token}"
    assert docker("ps", "--all", "--quiet", "--filter", label) == ""


def run(bridge, behaviour="fine", **options):
    return bridge.run(behaviour=behaviour, client=bridge.adapter.client(bridge.token, **options))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            {"image": "no-such-image:1", "pull": "never"},
            "the engine has no such image, and `pull: never` forbids to fetch it",
        ),
        (
            {"image": "localhost:1/no-such-image:1"},
            "Cannot pull image 'localhost:1/no-such-image:1'",
        ),
        ({"image": "No Such Image"}, "Check its name"),
        ({"python": "no-such-python"}, "no-such-python"),
        ({"networks": ["no-such-network"]}, "no-such-network"),
        ({"networks": ["bridge", "no-such-network"]}, "network no-such-network not found"),
        ({"mounts": [{"source": "/no/such/folder", "target": "/there"}]}, "/no/such/folder"),
        ({"container_kwargs": {"no_such_setting": 1}}, "no_such_setting"),
        ({"engine_url": "tcp://localhost:1"}, "Cannot reach 'tcp://localhost:1' for containers"),
        (
            {"registry": {"username_env": "NO_SUCH_NAME", "password_env": "NO_SUCH_WORD"}},
            "the variable 'NO_SUCH_NAME' is not set",
        ),
        ({"resources": {"memory": "much"}}, "`cpus`, `memory`, `shm_size` and `gpus`"),
    ],
    ids=str,
)
def test_not_started(bridge, options, reason):
    """What keeps a container from starting is named, with what to do."""
    finished = run(bridge, **options)

    assert not finished.success
    assert reason in finished.error


def test_removed_by_hand(bridge):
    """A container that somebody removes fails its group at once, and says so."""

    def remove():
        wait_for(bridge, "hanging")
        label = f"label=CONFORMANCE_TOKEN={bridge.token}"
        docker("rm", "--force", docker("ps", "--quiet", "--filter", label))

    bridge.project_dir  # noqa: B018 - the thread makes no copy
    thread = threading.Thread(target=remove)
    thread.start()
    finished = run(bridge, "hang")
    thread.join()

    assert not finished.success
    assert "WorkerLostError" in finished.error
    assert "lost its container, which somebody has removed," in finished.error


def test_engine_out_of_reach(bridge):
    """An engine that does not answer any more fails the group, in bounded time."""
    with Relay() as relay:

        def cut():
            wait_for(bridge, "hanging")
            relay.close()

        bridge.project_dir  # noqa: B018 - the thread makes no copy
        thread = threading.Thread(target=cut)
        thread.start()
        finished = run(bridge, "hang", engine_url=f"tcp://localhost:{relay.port}")
        thread.join()

    label = f"label=CONFORMANCE_TOKEN={bridge.token}"
    left = docker("ps", "--all", "--format", "{{.Status}}", "--filter", label)
    docker("rm", docker("ps", "--all", "--quiet", "--filter", label))
    assert not finished.success
    assert "is out of reach: the Docker engine does not answer" in finished.error
    assert left.startswith("Exited")  # its guardian has missed us


def test_through_a_remote_address(bridge):
    """Through TCP all is as through the local socket."""
    with Relay() as relay:
        finished = run(bridge, engine_url=f"tcp://localhost:{relay.port}")

    assert finished.success, finished.errors


def test_connections_are_kept(bridge):
    """Containers of a run share a connection besides their streams, and it ends with the run."""
    with Relay() as relay:
        client = bridge.adapter.client(bridge.token, engine_url=f"tcp://localhost:{relay.port}")
        finished = bridge.run("chain", behaviour="fine", client=client, max_concurrent=1)

        assert finished.success, finished.errors
        assert 3 + 1 == relay.taken
        gc.collect()  # when the library closes what nobody holds any more
        assert relay.is_idle()


def test_read_only(bridge):
    """With a read-only root file system a worker runs; where its data is read-only, its node fails."""
    bridge.project_dir  # noqa: B018 - made before it is mounted
    finished = run(bridge, read_only=True, mounts=[{"type": "tmpfs", "target": "/tmp"}])
    assert finished.success, finished.errors

    data = str(bridge.project_dir / "data")
    finished = run(bridge, mounts=[{"source": data, "target": data, "read_only": True}])
    assert not finished.success
    assert "Read-only file system" in finished.error


def test_disk_full(bridge):
    """A node that finds no room to save fails with that reason."""
    data = str(bridge.project_dir / "data")
    full = {"tmpfs": {data: "size=0,nr_inodes=1"}}
    finished = run(bridge, container_kwargs=full)

    assert not finished.success
    assert "No space left on device" in finished.error


def test_what_a_container_gets(bridge):
    """Limits, variables, networks and labels reach the container as they were said."""

    def look():
        wait_for(bridge, "hanging")
        label = f"label=CONFORMANCE_TOKEN={bridge.token}"
        (found,) = json.loads(docker("inspect", docker("ps", "--quiet", "--filter", label)))
        seen.update(found)
        docker("kill", found["Id"])

    seen = {}
    bridge.project_dir  # noqa: B018 - the thread makes no copy
    thread = threading.Thread(target=look)
    thread.start()
    finished = run(
        bridge,
        "hang",
        env={"COLOUR": "blue"},
        networks=["none"],
        resources={"cpus": 0.5, "memory": "300m", "shm_size": "70m"},
        ulimits=[{"name": "nofile", "soft": 500, "hard": 600}],
        user="0:0",
    )
    thread.join()

    assert not finished.success
    host, config = seen["HostConfig"], seen["Config"]
    assert (500_000_000, 300 * 2**20, 70 * 2**20) == (
        host["NanoCpus"],
        host["Memory"],
        host["ShmSize"],
    )
    assert [{"Name": "nofile", "Soft": 500, "Hard": 600}] == host["Ulimits"]
    assert (True, "0:0", ["none"]) == (
        host["Init"],
        config["User"],
        list(seen["NetworkSettings"]["Networks"]),
    )
    assert "COLOUR=blue" in config["Env"]
    assert "only" == config["Labels"]["kedro-pipes/group"]
    assert config["Labels"]["dagster/run_id"]


def wait_for(bridge, name):
    deadline = time.monotonic() + 60
    while not (bridge.project_dir / "data" / name).exists():
        assert time.monotonic() < deadline, f"no {name}"
        time.sleep(0.05)
