"""What can go wrong with other hosts only: each with its reason, and nothing left behind."""

import os
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from conformance_clients import SshUnderTest, command_of, parent_of, ssh_hosts
from dagster_kedro.clients.ssh.hosts import connecting

pytestmark = pytest.mark.ssh


@pytest.fixture
def bridge(make_bridge):
    """A bridge to a host; whatever it started is gone after, here and there."""
    made = make_bridge(SshUnderTest("ssh-stdout", "stdout"))
    made.project_dir  # noqa: B018 - threads of the tests make no copy
    yield made
    assert made.leftovers() == []


@pytest.fixture
def host(bridge):  # noqa: ARG001 - which says whether there can be one
    """The host that a bridge leads to."""
    return ssh_hosts().hosts().get("one")


def run(bridge, behaviour="fine", job="alone", **options):
    client = bridge.adapter.client(bridge.token, **options)
    return bridge.run(job, behaviour=behaviour, client=client)


@contextmanager
def meanwhile(bridge, act, sign="hanging"):
    """Do something once a node has left a sign; it is done when this is left."""

    def wait():
        deadline = time.monotonic() + 60
        while not (bridge.project_dir / "data" / sign).exists():
            assert time.monotonic() < deadline, f"no {sign}"
            time.sleep(0.05)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    yield
    thread.join()


def test_refused_key(bridge, host, tmp_path):
    """A key that the host does not take fails the group with that, and what to look at."""
    ssh_hosts().make_key(tmp_path / "other_key")
    config = ssh_hosts().hosts().config_of(tmp_path, host, key=tmp_path / "other_key")
    finished = run(bridge, ssh_config=config)

    assert not finished.success
    assert "WorkerNotStartedError" in finished.error
    assert "Permission denied (publickey)" in finished.error
    assert "`IdentityFile` in the configuration of OpenSSH, or the agent" in finished.error


@pytest.mark.parametrize("known", ["nobody", "another"])
def test_unknown_host_key(bridge, host, tmp_path, known):
    """A host whose key is not known, or is another one, is not talked to, nor passed over."""
    file = tmp_path / "known_hosts"
    file.touch()
    if known == "another":
        ssh_hosts().make_key(tmp_path / "key_of_another")
        public = (tmp_path / "key_of_another.pub").read_text()
        file.write_text(f"{host.address} {public}")
    config = ssh_hosts().hosts().config_of(tmp_path, host, known=file)
    finished = run(bridge, ssh_config=config, hosts=["one", "two"])

    assert not finished.success
    assert "Host key verification failed" in finished.error
    assert "add it to `known_hosts`" in finished.error


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"hosts": ["no-such-host.invalid"]}, "Could not resolve hostname no-such-host.invalid"),
        ({"ssh_options": {"Port": "1"}}, "Connection refused"),
        ({"python": "/no/such/python"}, "/no/such/python"),
        ({"python": "/usr/bin/python3"}, "No module named"),
        ({"project_dir": "/no/such/folder"}, "/no/such/folder"),
        ({"ssh_options": {"NoSuchOption": "1"}}, "nosuchoption"),
    ],
    ids=str,
)
def test_not_started(bridge, options, reason):
    """What keeps a worker from starting is named, with what to do."""
    finished = run(bridge, **options)

    assert not finished.success
    assert reason in finished.error
    assert "Check" in finished.error
    assert "ssh " in finished.error


def test_next_host(bridge):
    """A host that is out of reach is passed over, which the log says; the next one does the work."""
    finished = run(bridge, hosts=["no-such-host.invalid", "one"])

    assert finished.success, finished.errors
    assert "one" == finished.materializations["outcome"]["kedro/host"]
    assert any("no-such-host.invalid" in text for _, text in finished.logged)


def test_a_queue_is_no_silence(bridge):
    """Waiting while others connect to a host counts for nothing against it."""
    turn = connecting("one")
    held = 0
    while turn.acquire(blocking=False):
        held += 1
    timer = threading.Timer(7, turn.release, [held])
    timer.start()
    finished = run(bridge, connect_timeout_s=6)
    timer.join()

    assert finished.success, finished.errors


def test_network_cut(bridge, host):
    """A cable that is pulled fails the group as lost; the worker ends there, though it is still out."""

    def cut():
        host.cut()
        cut_at.append(time.monotonic())

    cut_at = []
    with meanwhile(bridge, cut):
        finished = run(bridge, "hang_deaf", keep_alive_s=1)
    took_s = time.monotonic() - cut_at[0]
    left = bridge.leftovers()
    host.mend()

    assert not finished.success
    assert [] == finished.materialized
    assert "WorkerLostError" in finished.error
    assert "could not be heard any more: the connection to 'one' broke" in finished.error
    assert took_s < 15
    assert [] == left
    assert run(bridge).success


def test_cut_while_talking(bridge, host):
    """Messages that a pulled cable holds back fail the group, though its node is soon finished."""
    seen = bridge.project_dir / "data"

    def cut():
        host.cut()
        (seen / "go").touch()

    with meanwhile(bridge, cut, "waiting"):
        finished = run(bridge, "wait", "chain", keep_alive_s=1)
    host.mend()

    assert not finished.success
    assert "WorkerLostError" in finished.error
    assert "ended" not in finished.materialized


def test_reboot(bridge, host):
    """A server that is killed with its connections fails the group at once, and ends the worker."""
    with meanwhile(bridge, host.kill_server):
        finished = run(bridge, "hang")
    left = bridge.leftovers()
    host.start()

    assert not finished.success
    assert "WorkerLostError" in finished.error
    assert [] == left
    assert run(bridge).success


def test_supervisor_killed(bridge):
    """Where the worker's supervisor is killed, its guardian ends it, and the group is lost."""

    def kill():
        os.kill(parent_of(bridge.adapter.worker(bridge.token)), signal.SIGKILL)

    with meanwhile(bridge, kill):
        finished = run(bridge, "hang")

    assert not finished.success
    assert "WorkerLostError" in finished.error
    assert [] == bridge.leftovers()


def test_disk_full(bridge):
    """On a host without any room a worker starts, and its node fails with that reason."""
    data = bridge.project_dir / "data"
    full = ["-t", "tmpfs", "-o", "size=4k,nr_inodes=1", "tmpfs"]
    subprocess.run(["mount", *full, data], check=True)
    try:
        finished = run(bridge, env={"TMPDIR": str(data)})
    finally:
        subprocess.run(["umount", data], check=True)

    assert not finished.success
    assert "No space left on device" in finished.error


def test_secrets(bridge, monkeypatch):
    """Variables reach the worker, and stand on no command line, here or there."""
    monkeypatch.setenv("WAREHOUSE_PASSWORD", "s3same-open")
    seen = []

    def look():
        worker = bridge.adapter.worker(bridge.token)
        seen.append(b"WAREHOUSE_PASSWORD=s3same-open" in environment_of(worker))
        everyone = [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]
        seen.append([pid for pid in everyone if "s3same-open" in command_of(pid)])
        os.kill(worker, signal.SIGKILL)

    with meanwhile(bridge, look):
        run(bridge, "hang", pass_env=["WAREHOUSE_*"])

    assert [True, []] == seen


def environment_of(pid):
    return Path(f"/proc/{pid}/environ").read_bytes()


def test_greetings_are_no_output(bridge):
    """What a host says to everybody who connects is not told as the worker's output."""
    finished = run(bridge)

    assert finished.success
    assert [] == [text for _, text in finished.logged if "authorized use only" in text]


def test_jump_host(bridge, host, tmp_path):
    """A host that is reached through another one only is as good as any."""
    config = ssh_hosts().hosts().config_of(tmp_path, host)
    with Path(config).open("a") as file:
        file.write(ssh_hosts().BEHIND.format(key=ssh_hosts().hosts().key, known=tmp_path / "known"))
    (tmp_path / "known").write_text(f"[127.0.0.1]:2222 {host.public_key}\n")

    direct = run(bridge, hosts=["behind"], ssh_config=config, ssh_options={"ProxyJump": "none"})
    jumped = run(bridge, hosts=["behind"], ssh_config=config)

    assert not direct.success
    assert jumped.success, jumped.errors
    assert "behind" == jumped.materializations["outcome"]["kedro/host"]


def test_agent(bridge, host, tmp_path, monkeypatch):
    """A key that only an agent holds is enough."""
    socket = str(tmp_path / "agent")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        while not Path(socket).exists():
            time.sleep(0.02)
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        subprocess.run(["ssh-add", "-q", str(ssh_hosts().hosts().key)], check=True)
        config = ssh_hosts().hosts().config_of(tmp_path, host, key="none")
        options = {"IdentitiesOnly": "no"}
        finished = run(bridge, ssh_config=config, ssh_options=options)
        monkeypatch.delenv("SSH_AUTH_SOCK")
        without = run(bridge, ssh_config=config, ssh_options=options)
    finally:
        agent.terminate()
        agent.wait()

    assert finished.success, finished.errors
    assert not without.success
