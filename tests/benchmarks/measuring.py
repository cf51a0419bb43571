"""Run whole commands in turn and compare what they took, as ratios in one run.

Processor time is what a command and its children used, memory the peak of its largest process: both
say more than seconds where others use the machine. Knows commands, not what they do.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

MAXRSS_PER_MB = 2**20 if sys.platform == "darwin" else 2**10
ROOT = Path(__file__).resolve().parents[2]


class CommandFailedError(Exception):
    """A command that was to be measured has failed; says what it printed."""


class Command(NamedTuple):
    """A command line and where to run it."""

    label: str
    arguments: list[str]
    folder: Path


class Usage(NamedTuple):
    """What a whole command took."""

    wall_s: float
    cpu_s: float
    memory_mb: float


def measure_in_turn(commands: Sequence[Command], runs: int) -> list[list[Usage]]:
    """Run commands in turn, so that a machine whose speed drifts changes all alike.

    Returns:
        For each counted run what each command took; a first run is not counted.
    """
    return [[used_by(command) for command in commands] for _ in range(runs + 1)][1:]


def compare(pairs: Sequence[tuple[float, float]], digits: int) -> str:
    """Return both medians and the ratios of the pairs."""
    left, right = (statistics.median(column) for column in zip(*pairs, strict=True))
    return f"{left:.{digits}f} / {right:.{digits}f} = {ratio_of(pairs)}"


def ratio_of(pairs: Sequence[tuple[float, float]]) -> str:
    """Return the median ratio of pairs, with the smallest and the largest."""
    ratios = [ours / theirs for ours, theirs in pairs]
    return f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f}-{max(ratios):.2f})"


def used_by(command: Command) -> Usage:
    """Run a whole command; return what it and its children took.

    Raises:
        CommandFailedError: It has failed.
    """
    with tempfile.TemporaryFile("w+") as output:
        began_s = time.perf_counter()
        process = subprocess.Popen(
            command.arguments, cwd=command.folder, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began_s
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            raise CommandFailedError(f"{' '.join(command.arguments)} failed:\n{output.read()}")
    return Usage(wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss / MAXRSS_PER_MB)


def run_silently(arguments: list[str], folder: Path) -> None:
    """Run a command; show what it said only if it failed."""
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(arguments)}\nfailed:\n{done.stdout}\n{done.stderr}")


def compile_sources(*interpreters: Path) -> None:
    """Compile our modules, as installing them does: a checkout's are compiled when they can be."""
    for interpreter in interpreters:
        run_silently(
            [str(interpreter), "-m", "compileall", "-q", "kedro_side", "orchestrator"], ROOT
        )
