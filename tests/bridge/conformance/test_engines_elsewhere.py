"""Engines that are reached through the network: with TLS, through SSH; and what is wrong with them."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from conformance_clients import DockerUnderTest, command_of, docker
from conformance_engines import (
    make_authority,
    make_certificate,
    missing_ssh,
    missing_tls,
    ssh_server,
    tls_front,
)

pytestmark = pytest.mark.docker


@pytest.fixture
def bridge(make_bridge):
    """A bridge through containers; whatever it started is gone after, exited containers too."""
    made = make_bridge(DockerUnderTest("docker-stdout", "stdout"))
    yield made
    assert made.leftovers() == []
    label = f"label=CONFORMANCE_TOKEN={made.token}"
    assert docker("ps", "--all", "--quiet", "--filter", label) == ""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Two authorities, and what the first one has signed."""
    if reason := missing_tls():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("authority", "stranger"):
        make_authority(folder, name)
    for name in ("engine", "orchestrator"):
        make_certificate(folder, name, "authority")
    make_certificate(folder, "intruder", "stranger")
    return folder


@pytest.fixture(scope="module")
def front(certificates):
    """The address of the engine behind TLS, which asks who comes."""
    with tls_front(certificates, "engine", "authority") as port:
        yield f"tcp://localhost:{port}"


@pytest.fixture
def ssh(tmp_path, monkeypatch):
    """The address of the engine behind SSH, where `ssh` goes without a question."""
    if reason := missing_ssh():
        pytest.skip(reason)
    folder = tmp_path / "ssh"
    folder.mkdir()
    with ssh_server(folder) as place:
        monkeypatch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")
        yield f"ssh://{place}"


def files(folder, authority, name=None):
    """Return the setting `tls`, with the files of some names."""
    said = {"ca_cert": str(folder / f"{authority}.pem")}
    if name:
        said |= {"client_cert": f"{folder}/{name}.pem", "client_key": f"{folder}/{name}.key"}
    return said


def run(bridge, behaviour="fine", **options):
    return bridge.run(behaviour=behaviour, client=bridge.adapter.client(bridge.token, **options))


def test_tls(bridge, front, certificates, monkeypatch):
    """With both certificates all is as at home; the authority for others does not get in the way."""
    tls = files(certificates, "authority", "orchestrator")
    client = bridge.adapter.client(bridge.token, engine_url=front, tls=tls)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates / "stranger.pem"))
    finished = bridge.run(behaviour="fine", client=client)

    assert finished.success, finished.errors
    assert {"outcome"} == set(finished.materialized)


@pytest.mark.parametrize("behaviour", ["big_messages", "many_messages"])
def test_tls_with_much_to_say(bridge, front, certificates, behaviour):
    """Nothing of what a program says stays behind in what TLS has read ahead."""
    tls = files(certificates, "authority", "orchestrator")
    client = bridge.adapter.client(bridge.token, engine_url=front, tls=tls)
    finished = bridge.run_program("plain.py", behaviour, client=client)

    assert finished.success, finished.errors


@pytest.mark.parametrize("way", ["tls", "ssh"])
def test_what_is_said_arrives_at_once(bridge, request, certificates, way):
    """What a program reports arrives when it does so, not with what it reports next."""
    options = {"engine_url": request.getfixturevalue("front" if way == "tls" else "ssh")}
    if way == "tls":
        options["tls"] = files(certificates, "authority", "orchestrator")
    client = bridge.adapter.client(bridge.token, **options)
    finished = bridge.run_program("plain.py", "stream", assets=["first", "outcome"], client=client)
    arrived = {
        entry.dagster_event.asset_key.path[-1]: entry.timestamp
        for entry in finished.entries
        if entry.dagster_event and entry.dagster_event.is_step_materialization
    }

    assert finished.success, finished.errors
    assert arrived["outcome"] - arrived["first"] > 1  # two seconds lie between them


def test_tls_by_the_variables_of_docker(bridge, front, certificates, tmp_path, monkeypatch):
    """Where nothing is set, the variables of the `docker` command say where the engine is."""
    for ours, theirs in {"authority.pem": "ca.pem", "orchestrator.pem": "cert.pem"}.items():
        (tmp_path / theirs).symlink_to(certificates / ours)
    (tmp_path / "key.pem").symlink_to(certificates / "orchestrator.key")
    client = bridge.adapter.client(bridge.token)  # makes the image, with the engine of this machine
    monkeypatch.setenv("DOCKER_HOST", front)
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates / "stranger.pem"))
    finished = bridge.run(behaviour="fine", client=client)
    for name in ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name)

    assert finished.success, finished.errors


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["stranger", "orchestrator"], "is not of the authority in `tls.ca_cert`"),
        (["authority"], "set `tls.client_cert` and `tls.client_key`"),
        (["authority", "intruder"], "set `tls.client_cert` and `tls.client_key`"),
        ([], "with `tls` where it wants TLS"),
    ],
    ids=str,
)
def test_not_let_in(bridge, front, certificates, names, reason):
    """A certificate that is missing or wrong, on either side, is told with the way out."""
    tls = files(certificates, *names) if names else None
    finished = run(bridge, engine_url=front, tls=tls)

    assert not finished.success
    assert f"Cannot reach '{front}' for containers" in finished.error
    assert reason in finished.error


def test_half_of_a_certificate(bridge, front, certificates):
    """A certificate without its key is refused, not left out."""
    tls = {**files(certificates, "authority"), "client_cert": f"{certificates}/orchestrator.pem"}
    finished = run(bridge, engine_url=front, tls=tls)

    assert not finished.success
    assert "certificate and key files must be provided" in finished.error


def test_ssh(bridge, ssh):
    """Through SSH all is as at home, and no `ssh` is left."""
    finished = run(bridge, engine_url=ssh)

    assert finished.success, finished.errors
    assert {"outcome"} == set(finished.materialized)
    assert no_ssh_left(ssh)


def test_ssh_with_much_to_say(bridge, ssh):
    """Large messages come through SSH whole."""
    client = bridge.adapter.client(bridge.token, engine_url=ssh)
    finished = bridge.run_program("plain.py", "big_messages", client=client)

    assert finished.success, finished.errors


def test_ssh_does_not_know_us(bridge, ssh, tmp_path):
    """Where `ssh` would have to ask, the error says how to try."""
    (tmp_path / "ssh/authorized_keys").write_text((tmp_path / "ssh/stranger.pub").read_text())
    finished = run(bridge, engine_url=ssh)

    assert not finished.success
    assert f"Cannot reach '{ssh}' for containers" in finished.error
    assert "Permission denied (publickey" in finished.error
    assert "See that `ssh` goes there from here without a question" in finished.error


def test_ssh_to_a_socket_elsewhere(bridge, ssh):
    """The address may say where the engine's socket is; where there is none, so does the error."""
    finished = run(bridge, engine_url=f"{ssh}/run/no-such.sock")
    assert "add its path to the address" in finished.error

    finished = run(bridge, engine_url=f"{ssh}/run/docker.sock")
    assert finished.success, finished.errors


def test_ssh_is_cut(bridge, ssh):
    """A connection that is cut loses the worker and is told."""

    def cut():
        deadline = time.monotonic() + 60
        while not (bridge.project_dir / "data/hanging").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for number in ssh_processes(ssh):
            os.kill(number, signal.SIGKILL)

    bridge.project_dir  # noqa: B018 - the thread makes no copy
    thread = threading.Thread(target=cut)
    thread.start()
    lost = run(bridge, "hang", engine_url=ssh)
    thread.join()

    label = f"label=CONFORMANCE_TOKEN={bridge.token}"
    left = docker("ps", "--all", "--format", "{{.Status}}", "--filter", label)
    docker("rm", docker("ps", "--all", "--quiet", "--filter", label))
    assert "WorkerLostError" in lost.error
    assert left.startswith("Exited")  # its guardian has missed us


def test_orchestrator_killed_with_ssh(bridge, ssh):
    """Neither container nor `ssh` outlives an orchestrator that is killed."""
    client = bridge.adapter.client(bridge.token, engine_url=ssh)
    orchestrator = os.fork()
    if orchestrator == 0:  # a step's process, as far as the client can tell
        try:
            bridge.run_program("plain.py", "hang", client=client)
        finally:
            os._exit(0)
    deadline = time.monotonic() + 60
    while not (bridge.folder / "hanging").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(orchestrator, signal.SIGKILL)
    os.waitpid(orchestrator, 0)

    assert bridge.leftovers() == []
    assert no_ssh_left(ssh)
    docker(
        "rm",
        docker("ps", "--all", "--quiet", "--filter", f"label=CONFORMANCE_TOKEN={bridge.token}"),
    )


def ssh_processes(address):
    port = address.rpartition(":")[2]
    numbers = [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]
    return [number for number in numbers if f"-p {port} " in command_of(number)]


def no_ssh_left(address, within_s=5.0):
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not ssh_processes(address):
            return True
        time.sleep(0.1)
    return False
