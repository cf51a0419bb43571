"""Show where processor time went before and after what saved most of it, as tables for the page.

"Before" is an option that is still there, so that anybody can look again. A whole command is watched
through `/proc` (Linux only): each process by its role, a forked worker with the conductor that reaps
it. Imports are those of Python's own `-X importtime`.

Usage: python tests/benchmarks/profiles.py --kedro-python .venv/kedro/bin/python
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from bench import EXAMPLE, write_invocation
from contenders import Contender, Tools, ours
from light_project import write_light_project
from measuring import ROOT, CommandFailedError, compile_sources

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
EVERY_S = 0.02
ROLES = [
    ("dagster job execute", "the run's process"),
    ("multiprocessing", "the step's process"),
    ("kedro_pipes", "workers, and their conductor"),
    ("kedro run", "`kedro run --nodes`"),
]
"""What a command line holds, and who that is."""
IMPORT = re.compile(r"import time: +(\d+) \| +\d+ \| +([\w.]+)")
NODE = "ingest_planes"
LEAST_S, MOST = 0.01, 14
"""Lines below this, and more than so many, are put together."""
STOCK_EXECUTOR = "executor: multiprocess\n"


class Process(NamedTuple):
    """A process as `/proc` shows it."""

    parent: int
    command: str
    cpu_s: float
    """Of itself and of its children that have ended."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kedro-python", type=Path, required=True, help="interpreter with Kedro")
    parser.add_argument("--runs", type=int, default=3, help="runs of each command")
    options = parser.parse_args()
    tools = Tools(ROOT / options.kedro_python, Path(sys.executable))
    compile_sources(tools.kedro, Path(sys.executable))
    scratch = Path(tempfile.mkdtemp(prefix="kedro-pipes-profiles-"))
    os.environ["DAGSTER_HOME"] = str(scratch)
    (scratch / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    try:
        stock, forked, cold = (
            whole_run(scratch / each.name, each, tools, options.runs)
            for each in (
                ours("warm", "stock", settings=STOCK_EXECUTOR),
                ours("warm", "forked"),
                ours("cold", "cold"),
            )
        )
        lone = ("`executor: multiprocess`", "`executor: auto`")
        print_table("Nine light nodes, a lone step in the run's process", lone, stock, forked)
        starts = ("`start: cold`", "`start: warm`")
        print_table("Nine light nodes, workers forked from a conductor", starts, cold, forked)
        commands = ("`kedro run --nodes`", "worker")
        both = imports(scratch / "nyc_flights", tools)
        print_table("What a worker of the example imports", commands, *both)
    finally:
        shutil.rmtree(scratch)


def whole_run(folder: Path, contender: Contender, tools: Tools, runs: int) -> dict[str, float]:
    """Return the seconds of processor time of each role in a run of nine light nodes."""
    write_light_project(folder)
    arguments = contender.prepare(folder, tools, None)
    watched = [watch(arguments, folder) for _ in range(runs + 1)][1:]
    roles = {role for each in watched for role in each}
    return {role: statistics.median(each.get(role, 0.0) for each in watched) for role in roles}


def watch(arguments: list[str], folder: Path) -> dict[str, float]:
    """Run a command and return the processor time of its processes, in seconds, by role."""
    seen: dict[int, Process] = {}
    with (folder / "output.log").open("w") as output:
        root = subprocess.Popen(arguments, cwd=folder, stdout=output, stderr=output)
        while root.poll() is None:
            for pid, process in tree_of(root.pid).items():
                # One that has just ended has no command line any more.
                command = process.command or seen.get(pid, process).command
                seen[pid] = process._replace(command=command)
            time.sleep(EVERY_S)
    if root.returncode != 0:
        raise CommandFailedError((folder / "output.log").read_text())
    used: Counter[str] = Counter()
    for pid, process in seen.items():
        parent = seen.get(process.parent)
        if parent is not None and role_of(parent) == role_of(process):
            continue  # it is among the children of that one
        others = sum(
            child.cpu_s
            for child in seen.values()
            if child.parent == pid and role_of(child) != role_of(process)
        )
        used[role_of(process)] += max(process.cpu_s - others, 0.0)
    return dict(used)


def role_of(process: Process) -> str:
    """Return who a process is."""
    return next((role for part, role in ROLES if part in process.command), "others")


def tree_of(root: int) -> dict[int, Process]:
    """Return a process and all that descend from it."""
    every: dict[int, Process] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        cpu_s = sum(map(int, fields[11:15])) / TICKS_PER_S
        every[int(folder.name)] = Process(int(fields[1]), command, cpu_s)
    inside = {root}
    while more := {pid for pid, each in every.items() if each.parent in inside} - inside:
        inside |= more
    return {pid: every[pid] for pid in inside if pid in every}


def imports(folder: Path, tools: Tools) -> tuple[dict[str, float], dict[str, float]]:
    """Return the seconds of imports by package, of `kedro run --nodes` and of a cold worker."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("data", ".kedro-pipes"))
    write_invocation(folder, NODE, "data_processing", env="sample")
    python = [str(tools.kedro), "-X", "importtime", "-m"]
    kedro_run = [*python, "kedro", "run", "--env=sample", f"--nodes={NODE}"]
    worker = [*python, "kedro_pipes", "--invocation", "invocation.json"]
    return importing(kedro_run, folder), importing(worker, folder)


def importing(arguments: list[str], folder: Path) -> dict[str, float]:
    """Run a command and return the seconds that it spent importing, by top-level package."""
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CommandFailedError(done.stderr)
    used: Counter[str] = Counter()
    for microseconds, module in IMPORT.findall(done.stderr):
        package = module.split(".")[0]
        label = "Python itself" if package in sys.stdlib_module_names else f"`{package}`"
        used[label] += int(microseconds) / 1e6
    return dict(used)


def print_table(
    title: str, named: tuple[str, str], before: dict[str, float], after: dict[str, float]
) -> None:
    """Print two profiles side by side, what shrank most first, small lines put together."""
    rows = sorted(before | after, key=lambda key: after.get(key, 0.0) - before.get(key, 0.0))
    shown = [key for key in rows if max(before.get(key, 0), after.get(key, 0)) >= LEAST_S][:MOST]
    print(f"\n| {title} | {named[0]}, s | {named[1]}, s |\n| --- | --- | --- |")
    for key in shown:
        print(f"| {key} | {before.get(key, 0.0):.2f} | {after.get(key, 0.0):.2f} |")
    others = [
        sum(each.values()) - sum(each.get(key, 0.0) for key in shown) for each in (before, after)
    ]
    if max(others) >= LEAST_S:
        print(f"| {len(rows) - len(shown)} more | {others[0]:.2f} | {others[1]:.2f} |")
    print(
        f"| together | **{sum(before.values()):.2f}** | **{sum(after.values()):.2f}** |", flush=True
    )


if __name__ == "__main__":
    main()
