"""A socket here that leads to one on another machine, through this machine's own `ssh`.

So the user's keys, hosts and settings hold, and one connection serves any number of requests. Knows
nothing of engines.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

_READY = "kedro-pipes-ready"
_END_S = 5
_OPTIONS = {
    "BatchMode": "yes",  # nobody is there to be asked
    "ConnectTimeout": "30",
    "ExitOnForwardFailure": "yes",
    # A connection that is cut without a word is noticed in fifteen seconds.
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    # In a connection that is shared with others, the socket would outlive us.
    "ControlPath": "none",
}


class SshTunnel:
    """A tunnel, open until it is closed or this process has ended, however it does.

    Args:
        url: `ssh://[user@]host[:port][/path/of/socket]`.
        path: Of the socket there, where the address has none.

    Raises:
        OSError: It cannot be opened, in the words of `ssh`.
    """

    def __init__(self, url: str, path: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="kedro-pipes-ssh-"))
        self.socket = self._folder / "socket"
        """Where it begins."""
        try:
            self._process = self._open(url, path)
        except OSError:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    @property
    def is_open(self) -> bool:
        """Tell whether it still leads anywhere."""
        return self._process.poll() is None

    def close(self) -> None:
        """End it."""
        self._end(self._process)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _open(self, url: str, path: str) -> subprocess.Popen[bytes]:
        parts = urlsplit(url)
        options = [f"-o{name}={value}" for name, value in _OPTIONS.items()]
        if parts.username:
            options += ["-l", parts.username]
        if parts.port:
            options += ["-p", str(parts.port)]
        there = parts.path if parts.path.strip("/") else path
        # `cat` ends with its input, which is our end of a pipe, and the tunnel with it.
        command = ["ssh", "-T", *options, "-L", f"{self.socket}:{there}", "--"]
        command += [parts.hostname or "", f"echo {_READY} && exec cat"]
        log = self._folder / "log"
        with log.open("wb") as errors:
            process = subprocess.Popen(  # noqa: S603 - where to is the user's own choice
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is for who has the tunnel
            )
        if process.stdout is None:
            raise ValueError("ssh was started without a pipe for its output.")
        for line in process.stdout:
            if line.strip() == _READY.encode():
                return process
        self._end(process)
        raise OSError(log.read_text(errors="replace").strip() or "ssh said nothing")

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
