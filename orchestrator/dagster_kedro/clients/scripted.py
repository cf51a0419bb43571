"""A client that plays recorded workers: for tests of what is on the Dagster side only.

It starts nothing. Each launch plays the script of its group: message lines, output, an exit; of
several scripts the next one, and the last one ever after.
Annotations are not postponed here, since Dagster's resource classes read them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg
import msgspec
from kedro_manifest.events import NUMBER_KEY

from dagster_kedro.clients.base import (
    KedroClient,
    OutputLine,
    Worker,
    WorkerExit,
    WorkerLaunch,
    WorkerOverrides,
)
from dagster_kedro.errors import WorkerNotStartedError


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker will do."""

    lines: list[bytes] = []
    """Message lines, as they would stand in the message file."""
    output: list[str | OutputLine] = []
    """Lines that it writes to its output streams; a text alone is of no node."""
    ended: WorkerExit = WorkerExit(code=0)
    hangs: bool = False
    """True for a worker that does not end before it is stopped."""


class Playlist:
    """The scripts by group name, and what has been launched so far.

    An object of its own, because Dagster copies a resource each time that it binds it.
    """

    def __init__(self, scripts: Mapping[str, Script | Sequence[Script]]) -> None:
        self.scripts = {
            group: each if isinstance(each, Script) else list(each)
            for group, each in scripts.items()
        }
        self.launches: list[WorkerLaunch] = []

    def next_script(self, group: str) -> Script | None:
        """Return what the next worker of a group will do."""
        scripts = self.scripts.get(group)
        if scripts is None or isinstance(scripts, Script):
            return scripts
        return scripts.pop(0) if len(scripts) > 1 else scripts[0]


class ScriptedClient(KedroClient):
    """Plays the scripts of a playlist; keeps what was launched in `launches`.

    Example:
        >>> client = ScriptedClient.playing({"fit": Script(lines=script_lines(("closed", {})))})
    """

    playlist: dg.ResourceDependency[Playlist]

    @classmethod
    def playing(cls, scripts: Mapping[str, Script | Sequence[Script]]) -> "ScriptedClient":
        """Return a client that plays the given scripts."""
        return cls(playlist=Playlist(scripts))

    def overridable(self) -> frozenset[str]:
        """Return everything: a launch shows what it would have been."""
        return frozenset(WorkerOverrides.__struct_fields__)

    @property
    def launches(self) -> list[WorkerLaunch]:
        """What has been launched so far, in order."""
        return self.playlist.launches

    @contextmanager
    def launch(self, launch: WorkerLaunch) -> Iterator[Worker]:
        """Play the script of the launch's group."""
        self.playlist.launches.append(launch)
        script = self.playlist.next_script(launch.group)
        if script is None:
            raise WorkerNotStartedError(
                f"Cannot start a worker for group '{launch.group}': there is no script for it, "
                f"only for {sorted(self.playlist.scripts)}. Add one to `ScriptedClient.playing`."
            )
        yield _ScriptedWorker(script)


class _ScriptedWorker:
    """Says everything at once, then ends; or waits to be stopped."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._unread = list(script.lines)
        self._output = [
            each if isinstance(each, OutputLine) else OutputLine(text=each)
            for each in script.output
        ]
        self._unread_output = list(self._output)
        self._stopped = False

    @property
    def place(self) -> str:
        return "script"

    def poll(self) -> WorkerExit | None:
        if self._stopped:
            return WorkerExit(signal=15, stopped=True)
        return None if self._script.hangs or self._unread else self._script.ended

    def read_lines(self) -> list[bytes]:
        lines, self._unread = self._unread, []
        return lines

    def read_rest(self) -> list[bytes]:
        return self.read_lines()

    def read_output(self) -> list[OutputLine]:
        lines, self._unread_output = self._unread_output, []
        return lines

    def last_output(self) -> list[str]:
        return [line.text for line in self._output]

    def stop(self) -> None:
        self._stopped |= self._script.hangs


def script_lines(*messages: tuple[str, dict[str, Any]], numbered: bool = True) -> list[bytes]:
    """Return the lines of some messages, `(method, params)` each, numbered from 1."""
    lines = []
    for number, (method, params) in enumerate(messages, start=1):
        line = {"__dagster_pipes_version": "0.1", "method": method, "params": params}
        lines.append(json.dumps({**line, NUMBER_KEY: number} if numbered else line).encode())
    return lines
