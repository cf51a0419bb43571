"""Ways to the engine of this machine that lead through the network: relay, TLS, SSH; all real."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ENGINE_SOCKET = "/var/run/docker.sock"


class Relay:
    """Carries connections on a local port to the engine's socket, until it is closed.

    Args:
        before: Is called with each piece of what the client sends, before it is handed on.
    """

    def __init__(self, before: Callable[[bytes], object] = lambda _: None) -> None:
        self._server = socket.create_server(("localhost", 0))
        self._before = before
        self.port = self._server.getsockname()[1]
        self._open = [self._server]
        self._carrying: list[threading.Thread] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cut every connection, and take no more."""
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def is_idle(self, within_s: float = 5.0) -> bool:
        """Tell whether the clients have ended all of their connections."""
        for each in list(self._carrying):
            each.join(within_s)
        return not any(each.is_alive() for each in self._carrying)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(ENGINE_SOCKET)
            self._open += [near, far]
            for ends in ((near, far, self._before), (far, near, lambda _: None)):
                thread = threading.Thread(target=self._carry, args=ends, daemon=True)
                thread.start()
                self._carrying.append(thread)

    def _carry(
        self, source: socket.socket, target: socket.socket, before: Callable[[bytes], object]
    ) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                before(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def make_authority(folder: Path, name: str) -> None:
    """Write an authority's certificate and key, as `NAME.pem` and `NAME.key`."""
    _openssl(folder, name, "-addext", "basicConstraints=critical,CA:TRUE")


def make_certificate(folder: Path, name: str, authority: str) -> None:
    """Write a certificate for this machine, and its key, signed by an authority."""
    signed = ["-CA", f"{authority}.pem", "-CAkey", f"{authority}.key"]
    _openssl(folder, name, *signed, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")


def _openssl(folder: Path, name: str, *options: str) -> None:
    key = ["-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem"]
    command = ["openssl", "req", "-x509", "-days", "2", "-subj", f"/CN={name}", *key, *options]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def missing_tls() -> str | None:
    """Return why the engine cannot be put behind TLS here, and how it could."""
    missing = [name for name in ("openssl", "socat") if not shutil.which(name)]
    return f"no {' and no '.join(missing)}: install the packages of that name" if missing else None


@contextmanager
def tls_front(folder: Path, name: str, clients: str) -> Iterator[int]:
    """Listen with TLS before the engine, and yield the port.

    Args:
        folder: Where the files are.
        name: Of the engine's certificate.
        clients: Authority of those who are let in.
    """
    port = _free_port()
    files = f"cert={name}.pem,key={name}.key,cafile={clients}.pem,verify=1"
    listening = f"OPENSSL-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,{files}"
    with (folder / "socat.log").open("w") as log:
        server = subprocess.Popen(
            ["socat", listening, f"UNIX-CONNECT:{ENGINE_SOCKET}"], cwd=folder, stderr=log
        )
    try:
        _wait_for_port(port)
        yield port
    finally:
        server.terminate()
        server.wait(10)


def missing_ssh() -> str | None:
    """Return why engines cannot be reached through SSH here, and how they could."""
    if shutil.which("ssh") and Path("/usr/sbin/sshd").exists():
        return None
    return "no ssh or sshd: install Debian's openssh-client and openssh-server"


@contextmanager
def ssh_server(folder: Path) -> Iterator[str]:
    """Run an SSH server that lets this user in, with a client that knows it; yield `user@host:port`.

    The client is `bin/ssh` in the folder: the machine's own, with settings of its own.
    """
    for name in ("host", "client", "stranger"):
        key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name]
        subprocess.run(key, cwd=folder, check=True)
    port = _free_port()
    shutil.copy(folder / "client.pub", folder / "authorized_keys")
    host_key = (folder / "host.pub").read_text()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}")
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nStrictModes no\nUsePAM no\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nPasswordAuthentication no\nPidFile none\n"
    )
    (folder / "ssh_config").write_text(
        f"UserKnownHostsFile {folder}/known_hosts\nStrictHostKeyChecking yes\nBatchMode yes\n"
        f"IdentityFile {folder}/client\nIdentitiesOnly yes\n"
    )
    client = folder / "bin/ssh"
    client.parent.mkdir()
    client.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/ssh_config "$@"\n')
    client.chmod(0o755)
    Path("/run/sshd").mkdir(exist_ok=True)
    command = ["/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "sshd_config")]
    with (folder / "sshd.log").open("w") as log:
        server = subprocess.Popen(command, stderr=log)
    try:
        _wait_for_port(port)
        yield f"{getpass.getuser()}@127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"Nobody listens on port {port}.")
