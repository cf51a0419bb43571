"""Hosts with an SSH server each, in network namespaces of their own, made of this machine.

They share its files and its process numbers, so that whatever runs there can be found; their network
is a cable that can be pulled. Needs root, and Debian's openssh-server and iproute2.
"""

from __future__ import annotations

import atexit
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

SSHD = "/usr/sbin/sshd"
SERVER = """\
ListenAddress {address}
ListenAddress 127.0.0.1:2222
Banner {folder}/greeting
HostKey {folder}/host_key
AuthorizedKeysFile {authorized}
PidFile none
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UseDNS no
"""
CLIENT = """\
Host {name}
  HostName {address}
  User root
  IdentityFile {key}
  IdentitiesOnly yes
  UserKnownHostsFile {known}
  GlobalKnownHostsFile none
"""
BEHIND = """\
Host behind
  HostName 127.0.0.1
  Port 2222
  User root
  ProxyJump one
  IdentityFile {key}
  UserKnownHostsFile {known}
  GlobalKnownHostsFile none
"""
"""The same host by an address that it alone has."""


def missing() -> str | None:
    """Return why there can be no such hosts here, and how there could."""
    if os.getuid() != 0:
        return "network namespaces need root"
    for program in (SSHD, "ip", "nsenter", "ssh", "ssh-keygen"):
        if shutil.which(program) is None:
            return f"there is no {program}: apt-get install openssh-server openssh-client iproute2"
    if run("ip", "netns", "add", name := f"kp{os.getpid()}try").returncode:
        return "`ip netns add` fails here: a container needs the right to make namespaces"
    run("ip", "netns", "delete", name)
    return None


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def checked(*command: str) -> str:
    done = run(*command)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def free_network() -> str:
    """Return the beginning of addresses that no other network of this machine has."""
    while True:
        net = f"10.{random.randint(200, 250)}.{random.randint(0, 255)}"
        if not run("ip", "route", "show", f"{net}.0/30").stdout:
            return net


class Host:
    """One host: a network namespace, a cable to it, and a server in it."""

    def __init__(self, folder: Path, name: str, number: int, authorized: Path) -> None:
        self.name = name
        self._folder = folder
        self._namespace = f"kp{os.getpid()}n{number}"
        self._near, self._far = f"kp{os.getpid()}a{number}", f"kp{os.getpid()}b{number}"
        # `ip netns exec` would give it a view of its own of the file system too.
        self._inside = ["nsenter", f"--net=/run/netns/{self._namespace}"]
        net = free_network()
        self.address = f"{net}.2"
        folder.mkdir()
        make_key(folder / "host_key")
        (folder / "greeting").write_text("authorized use only\n")
        config = SERVER.format(address=self.address, folder=folder, authorized=authorized)
        (folder / "sshd_config").write_text(config)
        checked("ip", "netns", "add", self._namespace)
        atexit.register(self.close)
        cable = ["type", "veth", "peer", "name", self._far, "netns", self._namespace]
        checked("ip", "link", "add", self._near, *cable)
        checked("ip", "address", "add", f"{net}.1/30", "dev", self._near)
        checked("ip", "link", "set", self._near, "up")
        for command in (
            ["address", "add", f"{self.address}/30", "dev", self._far],
            ["link", "set", self._far, "up"],
            ["link", "set", "lo", "up"],
        ):
            checked(*self._inside, "ip", *command)
        self.start()

    @property
    def public_key(self) -> str:
        """The server's public key, without a comment."""
        return " ".join((self._folder / "host_key.pub").read_text().split()[:2])

    def start(self) -> None:
        """Start the server, and wait for it."""
        Path("/run/sshd").mkdir(exist_ok=True)
        config = str(self._folder / "sshd_config")
        self._server = subprocess.Popen(
            [*self._inside, SSHD, "-D", "-e", "-f", config],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self._folder / "log").open("ab"),
            start_new_session=True,
        )
        deadline = time.monotonic() + 10
        while True:
            with suppress(OSError), socket.create_connection((self.address, 22), timeout=1):
                return
            assert time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(0.05)

    def cut(self) -> None:
        """Pull the cable: nothing gets through, and nobody is told."""
        checked("ip", "link", "set", self._near, "down")

    def mend(self) -> None:
        """Plug it in again."""
        checked("ip", "link", "set", self._near, "up")

    def kill_server(self) -> None:
        """Kill the server with all of its connections, as a host that reboots does."""
        for pid in self._processes():
            with suppress(OSError):
                if "sshd" in Path(f"/proc/{pid}/comm").read_text():
                    os.kill(pid, signal.SIGKILL)
        self._server.wait()

    def close(self) -> None:
        """End whatever runs there, and take the namespace away."""
        for pid in self._processes():
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        run("ip", "link", "delete", self._near)
        run("ip", "netns", "delete", self._namespace)

    def _processes(self) -> list[int]:
        return [int(pid) for pid in run("ip", "netns", "pids", self._namespace).stdout.split()]


class Hosts:
    """Some hosts, and how OpenSSH's client reaches them."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kedro-pipes-ssh-"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.key, self.known = self.folder / "key", self.folder / "known_hosts"
        self.config = self.folder / "config"
        make_key(self.key)
        self._by_name: dict[str, Host] = {}

    def get(self, name: str) -> Host:
        """Return a host, started when it is first wanted."""
        if name not in self._by_name:
            number = len(self._by_name)
            authorized = self.key.with_suffix(".pub")
            host = self._by_name[name] = Host(self.folder / name, name, number, authorized)
            with self.known.open("a") as file:
                file.write(f"{host.address} {host.public_key}\n")
            with self.config.open("a") as file:
                file.write(self._entry(host))
        return self._by_name[name]

    def config_of(self, folder: Path, host: Host, **changes: object) -> str:
        """Write a configuration for one host with other keys or other known hosts."""
        file = folder / "ssh_config"
        file.write_text(self._entry(host, **changes))
        return str(file)

    def _entry(self, host: Host, **changes: object) -> str:
        values = {"key": self.key, "known": self.known, **changes}
        return CLIENT.format(name=host.name, address=host.address, **values)


@cache
def hosts() -> Hosts:
    """Return the hosts of this test session; they are gone when it ends."""
    return Hosts()


def make_key(file: Path) -> None:
    """Make a key pair without a passphrase."""
    checked("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(file))
