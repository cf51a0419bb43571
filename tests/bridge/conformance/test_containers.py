"""What can go wrong with containers only: each with its reason, and nothing left behind."""

import gc
import json
import subprocess
import tarfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from conformance_clients import REPOSITORY, DockerUnderTest, docker, worker_image
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


def test_the_engine_is_kept(bridge):
    """Containers of a run share what has reached the engine, and connections end with the run."""
    asked = []

    def look(data):
        asked.append(data.split(b"\r\n")[0].split(b"?")[0])

    with Relay(look) as relay:
        client = bridge.adapter.client(bridge.token, engine_url=f"tcp://localhost:{relay.port}")
        finished = bridge.run("chain", behaviour="fine", client=client, max_concurrent=1)

        assert finished.success, finished.errors
        assert 1 == asked.count(b"GET /version HTTP/1.1")
        assert 3 == len([each for each in asked if each.endswith(b"/containers/create")])
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


@pytest.mark.parametrize("kind", ["folder", "volume"])
def test_messages_on_a_shared_volume(bridge, tmp_path, kind):
    """Messages in a file that both sides see: they arrive, and neither file nor frames are left."""
    with shared_place(bridge, tmp_path, kind) as (source, here):
        shared = {"source": source, "here": here}
        seen = []

        def look():
            wait_for(bridge, "hanging")
            (file,) = Path(here).glob("*/messages.jsonl")
            seen.append(file.read_text())
            label = f"label=CONFORMANCE_TOKEN={bridge.token}"
            docker("kill", docker("ps", "--quiet", "--filter", label))

        bridge.project_dir  # noqa: B018 - the thread makes no copy
        thread = threading.Thread(target=look)
        thread.start()
        killed = run(bridge, "hang", shared_messages=shared)
        thread.join()
        finished = run(bridge, shared_messages=shared)
        client = bridge.adapter.client(bridge.token, shared_messages=shared)
        program = bridge.run_program("plain.py", "many_messages", client=client)
        left = list(Path(here).iterdir())

    assert '"method":"opened"' in seen[0].replace(" ", "")
    assert "was killed by signal 9 (SIGKILL)" in killed.error
    assert finished.success, finished.errors
    assert program.success, program.errors
    assert [] == left


def test_no_folder_for_messages(bridge):
    """A shared folder that is not there on this side is told, with the key to mend."""
    finished = run(bridge, shared_messages={"source": "/tmp", "here": "/proc/nowhere"})

    assert "Cannot make a message file in '/proc/nowhere/" in finished.error
    assert "Check `here` of `shared_messages`" in finished.error


@pytest.mark.parametrize(
    ("gpus", "asked_for"),
    [("all", (-1, [])), (2, (2, [])), (["GPU-1", "GPU-2"], (0, ["GPU-1", "GPU-2"]))],
    ids=str,
)
def test_gpus(bridge, gpus, asked_for):
    """The engine is asked for GPUs; one without any refuses, and the error says what is missing."""
    seen = []

    def look(data):
        if data.startswith(b"POST") and b"/start" in data.split(b"\r\n")[0]:
            label = f"label=CONFORMANCE_TOKEN={bridge.token}"
            made = docker("ps", "--all", "--quiet", "--filter", label)
            seen.extend(json.loads(docker("inspect", made)))

    with Relay(look) as relay:
        url = f"tcp://localhost:{relay.port}"
        finished = run(bridge, resources={"gpus": gpus}, engine_url=url)
    (request,) = seen[0]["HostConfig"]["DeviceRequests"]

    assert asked_for == (request["Count"], request["DeviceIDs"] or [])
    assert [["gpu"]] == request["Capabilities"]
    assert "could not select device driver" in finished.error
    assert "NVIDIA Container Toolkit, or take `gpus` out of `resources`" in finished.error


def test_a_program_wants_a_shell(bridge):
    """An image without a shell cannot hold a program to its end, and the error names it."""
    empty = "kedro-dagster-pipes-empty:test"
    with tarfile.open(bridge.folder / "empty.tar", "w"):
        docker("import", str(bridge.folder / "empty.tar"), empty)
    client = bridge.adapter.client(bridge.token, image=empty)
    finished = bridge.run_program("plain.py", "success", client=client)
    docker("rmi", empty)

    assert "WorkerNotStartedError" in finished.error
    assert "exec sh failed: No such file or directory" in finished.error
    assert "or a shell (`sh`) for any other program" in finished.error


@pytest.mark.parametrize("init", [True, False])
@pytest.mark.parametrize(
    "missing", [{"python": "no-such"}, {"container_kwargs": {"entrypoint": ["no-such"]}}], ids=str
)
def test_what_is_to_be_started_is_missing(bridge, missing, init):
    """An interpreter or entrypoint that the image lacks was never started, whoever notices it."""
    finished = run(bridge, init=init, **missing)

    assert "WorkerNotStartedError: Cannot start the worker's container: " in finished.error
    assert "no-such" in finished.error
    assert "See that the image has what `python` names" in finished.error


def test_a_program_that_is_missing(bridge):
    """So was a program, which the shell in its container looks for."""
    finished = bridge.run_command(["no-such-program"])

    assert "WorkerNotStartedError: Cannot start 'no-such-program'" in finished.error


@contextmanager
def shared_place(bridge, tmp_path, kind):
    """Yield what a container mounts, and where this process sees the same."""
    if kind == "folder":
        folder = tmp_path / "messages"
        folder.mkdir()
        yield str(folder), str(folder)
        return
    name = docker("volume", "create", f"messages-{bridge.token}")
    try:
        yield name, docker("volume", "inspect", "--format", "{{.Mountpoint}}", name)
    finally:
        docker("volume", "rm", name)


def wait_for(bridge, name):
    deadline = time.monotonic() + 60
    while not (bridge.project_dir / "data" / name).exists():
        assert time.monotonic() < deadline, f"no {name}"
        time.sleep(0.05)


def test_bill_of_materials(tmp_path):
    """`make sbom IMAGES=` lists what an image has installed, and leaves no container."""
    python = REPOSITORY / ".venv/sbom/bin/python"
    if not python.is_file():
        pytest.skip("no CycloneDX tool: make it with `make .venv/sbom/.ready`")
    before = docker("ps", "--all", "--quiet", "--filter", f"ancestor={worker_image()}")
    command = [python, REPOSITORY / "tools/sbom.py", worker_image(), "--folder", tmp_path]
    subprocess.run(command, check=True)

    (bill,) = tmp_path.iterdir()
    names = {component["name"] for component in json.loads(bill.read_text())["components"]}
    assert {"kedro-dagster-pipes", "kedro", "dagster-pipes", "msgspec", "python", "tini"} <= names
    assert not names & {"dagster", "pip", "cyclonedx-bom"}
    assert before == docker("ps", "--all", "--quiet", "--filter", f"ancestor={worker_image()}")
