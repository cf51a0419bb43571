"""A connection to one host: OpenSSH's own client as a child process.

It reads the user's configuration, so that keys, agents, jump hosts and known hosts are as in a
terminal. Knows bytes and how connecting can fail, nothing of workers.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import IO, Literal

from kedro_manifest.supervising import ALIVE

ALIVE_COUNT = 3
"""Signs of life that may stay out, in both directions."""

_CLOSE_WAIT_S = 2.0

Problem = Literal["unreachable", "busy", "refused", "unknown", "other"]

_PROBLEMS: tuple[tuple[Problem, str], ...] = (
    ("unknown", r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED"),
    ("refused", r"Permission denied \(|Too many authentication failures"),
    ("unreachable", r"ssh: connect to host|Could not resolve hostname|Connection timed out"),
    # What a server does that has too many connections which are not authenticated yet.
    ("busy", r"kex_exchange_identification|Connection (closed|reset) by"),
)
_CURES: Mapping[Problem, str] = {
    "unknown": "Compare the host's key with what its owner says, and add it to `known_hosts`.",
    "refused": "Check `User` and `IdentityFile` in the configuration of OpenSSH, or the agent: "
    "nobody can be asked for a password.",
    "unreachable": "Check the name, and that this machine reaches it.",
    "busy": "Raise `MaxStartups` of its server, or lower `max_per_host`.",
    "other": "Check `python` and `project_dir` of the client, and that the host has "
    "`kedro-dagster-pipes[kedro]` in that environment.",
}


def find_ssh() -> str | None:
    """Return where OpenSSH's client is; None if it is not installed."""
    return shutil.which("ssh")


def problem_of(said: Sequence[str]) -> Problem:
    """Return what has gone wrong, by what OpenSSH's client said before it gave up."""
    text = "\n".join(said)
    return next((problem for problem, words in _PROBLEMS if re.search(words, text)), "other")


def cure_of(problem: Problem, host: str) -> str:
    """Return what can be done about a problem."""
    return f"{_CURES[problem]} `ssh {host} true`, as who runs Dagster, shows the same."


def ssh_options(
    config: str | None, options: Mapping[str, str], *, connect_timeout_s: float, keep_alive_s: int
) -> list[str]:
    """Return the options of OpenSSH's client: the first that says something counts.

    Args:
        config: Another file than the user's and the system's configuration.
        options: What the user says.
        connect_timeout_s: Seconds for reaching the host.
        keep_alive_s: Seconds between signs of life.
    """
    said = {
        **options,
        "BatchMode": "yes",
        "ConnectTimeout": str(max(1, round(connect_timeout_s))),
        "ServerAliveInterval": str(keep_alive_s),
        "ServerAliveCountMax": str(ALIVE_COUNT),
        # A connection that others share would not end with its worker.
        "ControlMaster": "no",
        "ControlPath": "none",
        "ClearAllForwardings": "yes",
        "RemoteCommand": "none",
        **options,
    }
    pairs = [part for name, value in said.items() for part in ("-o", f"{name}={value}")]
    return ["-T", *(["-F", config] if config else []), *pairs]


class SshConnection:
    """A command on a host, and the three streams of it.

    Args:
        program: OpenSSH's client.
        options: What it is told besides.
        host: As the user names it.
        command: What the host's shell is to run; anybody there can see it.
        keep_alive_s: Seconds between the signs of life that are written to its input.

    Raises:
        OSError: The client cannot be started.
    """

    def __init__(
        self, program: str, options: Sequence[str], host: str, command: str, *, keep_alive_s: float
    ) -> None:
        self.host = host
        process = subprocess.Popen(  # noqa: S603 - the host is the user's own choice
            [program, *options, "--", host, command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise ValueError("The process was started without pipes.")
        self._process = process
        self.stdout: IO[bytes] = process.stdout
        self.stderr: IO[bytes] = process.stderr
        self._sender = _Sender(process.stdin, keep_alive_s)

    def send(self, data: bytes) -> None:
        """Have something written, and signs of life from now on."""
        self._sender.send(data)

    def has_ended(self) -> bool:
        """Tell whether the client has ended; what it said can still be read."""
        return self._process.poll() is not None

    def close(self) -> None:
        """End it: its input first, which the host sees, then the client itself."""
        self._sender.close()
        if not self._wait():
            self._signal(signal.SIGTERM)
            if not self._wait():
                self._signal(signal.SIGKILL)
                self._process.wait()

    def _wait(self) -> bool:
        try:
            self._process.wait(_CLOSE_WAIT_S)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _signal(self, number: int) -> None:
        # Its group: a jump host is reached by a client of its own.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


class _Sender:
    """Writes to a stream in a thread of its own, since it may stop taking anything."""

    def __init__(self, stream: IO[bytes], keep_alive_s: float) -> None:
        self._stream = stream
        self._keep_alive_s: float | None = None
        self._interval_s = keep_alive_s
        self._waiting: SimpleQueue[bytes | None] = SimpleQueue()
        threading.Thread(target=self._write, name="kedro-ssh-input", daemon=True).start()

    def send(self, data: bytes) -> None:
        self._waiting.put(data)

    def close(self) -> None:
        self._waiting.put(None)

    def _write(self) -> None:
        # A broken pipe: the client has ended, which is found out elsewhere.
        with suppress(OSError), self._stream:
            while (data := self._next()) is not None:
                while data:
                    data = data[os.write(self._stream.fileno(), data) :]

    def _next(self) -> bytes | None:
        try:
            data = self._waiting.get(timeout=self._keep_alive_s)
        except Empty:
            return ALIVE
        self._keep_alive_s = self._interval_s
        return data
