"""Code blocks of Markdown pages, and a desk on which they are carried out as a reader would.

A `console` block is typed into the terminal that its `title` names, line by line, and what is
printed has to be what the page shows; `...` stands for anything. A block of any other language with
a title is a file of that path. `<!-- not run: REASON -->` before a block says why it is neither;
`<!-- serves: URL -->` that its last command goes on, and where it answers.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
CLONE = "path/to/kedro-dagster-pipes"
"""Stands in the pages for where the reader has this repository."""
FENCED = re.compile(
    r"(?:^<!-- not run: (?P<reason>.+?) -->\n\n?)?(?:^<!-- serves: (?P<serves>\S+) -->\n)?"
    r"^```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
SERVE_S = 120
GRACE_S = 10
OF_ANOTHER_PLACE = ("VIRTUAL_ENV", "PYTHON", "KEDRO", "DAGSTER")
"""How variables begin that a reader's terminal does not have."""


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    place: str
    language: str
    title: str | None
    text: str
    reason: str | None
    serves: str | None

    @property
    def commands(self) -> list[tuple[str, list[str]]]:
        """What is typed, each with the lines that the page shows of its output."""
        typed: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                typed.append((line[2:], []))
            elif line.partition(" ")[0] == ">" and not typed[-1][1]:
                typed[-1] = (f"{typed[-1][0]}\n{line[2:]}", [])
            else:
                typed[-1][1].append(line)
        return typed


def read_blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    markdown = page.read_text(encoding="utf-8")
    return [
        Block(
            place=f"{page.relative_to(REPOSITORY)}:{markdown.count(chr(10), 0, found.start()) + 1}",
            language=found["language"],
            title=found["title"],
            text=found["text"],
            reason=found["reason"],
            serves=found["serves"],
        )
        for found in FENCED.finditer(markdown)
    ]


class Desk:
    """A folder, and terminals that are opened in it, with some variables."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self._variables = variables
        self._terminals: dict[str | None, Terminal] = {}
        self.printed = ""
        """What the last command has printed."""

    def carry_out(self, block: Block) -> None:
        """Type the block or write its file; nothing, if it says that it cannot be run."""
        if block.reason is not None:
            return
        if block.language == "console":
            self._type(block)
        else:
            assert block.title, f"{block.place}: the block is no console, and names no file"
            file = self.folder / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")

    def _type(self, block: Block) -> None:
        if block.title not in self._terminals:
            self._terminals[block.title] = Terminal(self.folder, self._variables)
        terminal, commands = self._terminals[block.title], block.commands
        served = commands.pop() if block.serves else None
        for command, shown in commands:
            code, self.printed = terminal.type(command.replace(CLONE, str(REPOSITORY)))
            assert code == 0, f"{block.place}: `{command}` ended with {code}:\n{self.printed}"
            assert not shown or pattern_of(shown).fullmatch(f"{self.printed.rstrip()}\n"), (
                f"{block.place}: `{command}` printed\n{self.printed}\nand the page shows\n"
                + "\n".join(shown)
            )
        if served and block.serves:
            terminal.serve(served[0], block.serves)

    def close(self) -> None:
        """End the terminals, and what runs in them."""
        for terminal in self._terminals.values():
            terminal.close()


class Terminal:
    """A shell that remembers where it is, as a reader's."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(OF_ANOTHER_PLACE)
        }
        self._shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder,
            env=kept | {"DO_NOT_TRACK": "1", "COLUMNS": "80"} | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )

    def type(self, command: str) -> tuple[int, str]:
        """Run a command to its end; return its exit code and all that it has printed."""
        assert self._shell.stdin
        assert self._shell.stdout
        end = "-- the command has ended with"
        self._shell.stdin.write(f"{{ {command}\n}} </dev/null\necho; echo '{end}' $?\n")
        self._shell.stdin.flush()
        printed = []
        for line in self._shell.stdout:
            if line.startswith(end):
                return int(line.removeprefix(end)), "".join(printed)
            printed.append(re.sub(r"\x1b\[\d*m", "", line))
        return self._shell.wait(), "".join(printed)

    def serve(self, command: str, address: str) -> None:
        """Start a command that goes on, and wait until it answers."""
        assert self._shell.stdin
        self._shell.stdin.write(f"{command} </dev/null >/dev/null 2>&1\n")
        self._shell.stdin.flush()
        for _ in range(SERVE_S):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(address, timeout=5).close()
                return
            time.sleep(1)
        raise AssertionError(f"`{command}` does not answer at {address} after {SERVE_S} s")

    def close(self) -> None:
        """End the shell with all that it has started, which gets a moment for what it has started."""
        os.killpg(self._shell.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._shell.wait(GRACE_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.communicate()


def pattern_of(shown: list[str]) -> re.Pattern[str]:
    """Return what fits an output as a page shows it."""
    lines = [
        r"(?:.*\n)*?" if line.strip() in {"...", "…"} else f"{_loosely(line)}\n" for line in shown
    ]
    return re.compile("".join(lines))


def _loosely(line: str) -> str:
    return ".*?".join(map(re.escape, re.split(r"\.\.\.|…", line.rstrip()))) + r"[ \t]*"
