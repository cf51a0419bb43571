"""The SSH client as `dagster.yml` and a run describe it; tests/bridge connects to real servers."""

import threading
from contextlib import ExitStack

import pytest
from dagster_kedro.clients.directory import make_client
from dagster_kedro.clients.ssh import KedroSshClient
from dagster_kedro.clients.ssh.connection import problem_of, ssh_options
from dagster_kedro.clients.ssh.hosts import HostPool, avoid
from kedro_manifest.orchestration.root import read_orchestration
from kedro_manifest.supervising import shell_word

SAID = {
    "hosts": ["gpu-1", "ada@gpu-2"],
    "max_per_host": 2,
    "python": ".venv/bin/python",
    "project_dir": "~/flights",
    "env": {"COLOUR": "blue"},
    "pass_env": ["AWS_*"],
    "grace_s": 3.5,
    "connect_timeout_s": 7.5,
    "keep_alive_s": 4,
    "ssh_config": "/etc/ssh/ours",
    "ssh_options": {"ProxyJump": "gate"},
}


def test_every_setting_reaches_the_client():
    """What stands in `dagster.yml` is what the client is made with."""
    content = {"clients": {"gpu": {"type": "ssh", **SAID}}}
    client = make_client("gpu", read_orchestration(content).clients["gpu"])

    assert isinstance(client, KedroSshClient)
    assert SAID == {key: getattr(client, key) for key in SAID}


def test_options():
    """Nobody is asked for anything, and what the user says counts before what we need."""
    options = ssh_options(
        "ours",
        {"ProxyJump": "gate", "ControlMaster": "auto"},
        connect_timeout_s=0.2,
        keep_alive_s=4,
    )

    assert ["-T", "-F", "ours"] == options[:3]
    assert {"ProxyJump=gate", "BatchMode=yes", "ConnectTimeout=1", "ServerAliveInterval=4"} <= set(
        options
    )
    assert ["ControlMaster=auto"] == [each for each in options if "ControlMaster" in each]


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/srv/flights", "/srv/flights"),
        ("/srv/our flights; rm -r x", "'/srv/our flights; rm -r x'"),
        ("~/our flights", "~/'our flights'"),
        ("a'b", "'a'\"'\"'b'"),
    ],
)
def test_words_for_the_shell(path, word):
    """A path reaches the other side as it is, whatever is in it."""
    assert word == shell_word(path)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("ssh: connect to host gpu port 22: Connection refused", "unreachable"),
        ("ssh: Could not resolve hostname gpu: Name or service not known", "unreachable"),
        ("Host key verification failed.", "unknown"),
        ("root@gpu: Permission denied (publickey).", "refused"),
        ("kex_exchange_identification: Connection closed by remote host", "busy"),
        ("bash: line 1: cd: /nowhere: No such file or directory", "other"),
        ("bash: line 1: /srv/python: Permission denied", "other"),
    ],
)
def test_problems(said, problem):
    """What OpenSSH's client says is told apart: who may be asked again, and what to do."""
    assert problem == problem_of([said])


def host_names(count):
    """Names that no other test has taken a place on."""
    return [f"{threading.get_ident()}-{object()!r}-{number}" for number in range(count)]


def places(pool, stack, count, **options):
    return [stack.enter_context(pool.place(lambda: False, **options)) for _ in range(count)]


def test_places_are_spread():
    """A worker goes where the fewest are, and not to a host that is left out."""
    one, two = host_names(2)
    with ExitStack() as stack:
        assert [one, two, one, two] == places(HostPool([one, two], 0), stack, 4)
        assert [two, two] == places(HostPool([one, two], 0), stack, 2, without=[one])


def test_waiting_for_a_place():
    """Where no place is free, one is waited for until nobody wants it any more."""
    (host,) = host_names(1)
    pool, ended = HostPool([host], 1), threading.Event()
    found = []

    def wait():
        with pool.place(ended.is_set) as place:
            found.append(place)

    with ExitStack() as stack:
        assert [host] == places(pool, stack, 1)
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(0.3)
        assert [] == found
    thread.join(5)
    assert [host] == found

    with ExitStack() as stack:
        places(pool, stack, 1)
        thread = threading.Thread(target=wait)
        thread.start()
        ended.set()
        thread.join(5)
        assert [host, None] == found


def test_hosts_that_are_down_come_last():
    """A host that was out of reach a moment ago is taken where the others are full."""
    one, two = host_names(2)
    avoid(one)
    with ExitStack() as stack:
        assert [two, two, one] == places(HostPool([one, two], 2), stack, 3)
