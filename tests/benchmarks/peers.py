"""Measure us beside what a user would pick instead, and keep the figures for the page.

Run by `make bench`. Every workload is a project; every contender gets a copy of its own and runs it
with one whole command. Contenders take turns, round by round, so that a machine whose speed drifts
changes all alike. Writes JSON, which `performance_page.py` turns into tables and plots.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from contenders import (
    COLD,
    FORKED,
    IN_PROCESS,
    KEDRO,
    MULTIPROCESS,
    ONE_ASSET,
    PARALLEL,
    STOCK,
    Contender,
    Tools,
    ours,
)
from frames_project import write_frames_project
from light_project import write_light_project
from measuring import ROOT, Command, CommandFailedError, compile_sources, used_by
from workloads import write_trivial_project

EXAMPLE = ROOT / "docs/examples/nyc_flights"
FRAME_MB, MEMORY_PAUSE_S = 1000, 6.0
CATALOG_ENTRIES = 1000
ASLEEP_S, ASLEEP_NODES, ASLEEP_AT_ONCE = 1.0, 100, 50
ENTRY = """\
entry_{number:04}:
  type: pandas.CSVDataset
  filepath: data/entry_{number:04}.csv
"""
STAGED = ours("warm", "**ours**, forked, pickled between", settings="memory_datasets: stage\n")
TOGETHER = ours("warm", "**ours**, forked, in one worker")
AT_ONCE = ours("warm", f"**ours**, {ASLEEP_AT_ONCE} at once", max_concurrent=ASLEEP_AT_ONCE)


class Workload(NamedTuple):
    """A project, and who runs it."""

    name: str
    """Key in the results."""
    title: str
    write: Callable[[Path], None]
    contenders: list[Contender]
    env: str | None = None
    nodes: int | None = None
    """For workloads of which only the number of nodes differs."""
    pause_s: float = 0.0
    """Before each command. Virtual machines give memory that was freed a moment ago sooner than other
    memory, so that who starts at once would profit from whoever ran before."""


def workloads(*, with_long: bool) -> list[Workload]:
    """Return all, in the order of the page.

    Args:
        with_long: Whether to run also what takes a peer minutes.
    """
    trivial = [
        Workload(
            f"{shape}_{nodes}",
            f"{shape.replace('_', '-')} of {nodes} trivial nodes",
            partial(write_trivial_project, nodes=nodes, shape=shape),
            contenders,
            nodes=nodes,
        )
        for shape, nodes, contenders in (
            ("chain", 10, [FORKED, KEDRO, IN_PROCESS, *([MULTIPROCESS] if with_long else [])]),
            ("chain", 20, [MULTIPROCESS] if with_long else []),
            ("chain", 100, [FORKED, KEDRO, IN_PROCESS]),
            ("chain", 500, [FORKED, KEDRO, *([IN_PROCESS] if with_long else [])]),
            ("fan_out", 10, [FORKED, KEDRO, IN_PROCESS]),
            ("fan_out", 100, [FORKED, KEDRO, IN_PROCESS]),
            ("fan_out", 500, [FORKED, KEDRO]),
        )
        if contenders
    ]
    frame = partial(write_frames_project, megabytes=FRAME_MB)
    return [
        Workload(
            "light",
            "nine light nodes",
            write_light_project,
            [FORKED, COLD, KEDRO, ONE_ASSET, PARALLEL, IN_PROCESS, MULTIPROCESS, STOCK],
        ),
        Workload(
            "flights",
            "the flights example, 22 nodes",
            write_example,
            [FORKED, COLD, KEDRO, IN_PROCESS],
            env="sample",
        ),
        Workload(
            "one",
            "one trivial node",
            partial(write_trivial_project, nodes=1),
            [FORKED, COLD, KEDRO, ONE_ASSET, IN_PROCESS, MULTIPROCESS, STOCK],
        ),
        Workload(
            "catalog",
            f"one trivial node, a catalog of {CATALOG_ENTRIES:,} entries",
            write_catalog_project,
            [FORKED, COLD, KEDRO, IN_PROCESS],
        ),
        *trivial,
        Workload(
            "asleep_one",
            f"one node that sleeps {ASLEEP_S:g} s",
            partial(write_trivial_project, nodes=1, shape="fan_out", asleep_s=ASLEEP_S),
            [AT_ONCE],
        ),
        Workload(
            "asleep",
            f"fan-out of {ASLEEP_NODES} nodes that sleep {ASLEEP_S:g} s",
            partial(write_trivial_project, nodes=ASLEEP_NODES, shape="fan_out", asleep_s=ASLEEP_S),
            [AT_ONCE],
        ),
        Workload(
            "frame_in_memory",
            f"{FRAME_MB / 1000:g} GB DataFrame between two nodes, in memory",
            partial(frame, is_saved=False),
            [TOGETHER, STAGED, KEDRO, IN_PROCESS],
            pause_s=MEMORY_PAUSE_S,
        ),
        Workload(
            "frame_saved",
            f"{FRAME_MB / 1000:g} GB DataFrame between two nodes, saved as Parquet",
            partial(frame, is_saved=True),
            [FORKED, KEDRO, IN_PROCESS],
            pause_s=MEMORY_PAUSE_S,
        ),
    ]


def main() -> None:
    """Measure, and write what was measured after each workload."""
    options = parse_arguments()
    tools = Tools(ROOT / options.kedro_python, ROOT / options.peers_python)
    results: dict[str, Any] = {"machine": describe_machine(tools), "runs": options.runs}
    results["workloads"] = measured = []
    scratch = Path(tempfile.mkdtemp(prefix="kedro-pipes-peers-"))
    os.environ["DAGSTER_HOME"] = str(scratch / "dagster_home")
    (scratch / "dagster_home").mkdir()
    (scratch / "dagster_home/dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    compile_sources(tools.kedro, Path(sys.executable))
    options.write.parent.mkdir(parents=True, exist_ok=True)
    try:
        for workload in workloads(with_long=not options.quick):
            if workload.name.startswith(options.only):
                measured.append(measure(workload, scratch, tools, options.runs))
                options.write.write_text(json.dumps(results, indent=1))
    finally:
        shutil.rmtree(scratch)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kedro-python", type=Path, required=True, help="interpreter with Kedro")
    parser.add_argument(
        "--peers-python", type=Path, required=True, help="interpreter with kedro-dagster"
    )
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each command")
    parser.add_argument("--only", default="", help="measure workloads whose name begins so")
    parser.add_argument("--quick", action="store_true", help="leave out what takes peers minutes")
    parser.add_argument("--write", type=Path, default=ROOT / ".build/bench/peers.json")
    return parser.parse_args()


def measure(workload: Workload, scratch: Path, tools: Tools, runs: int) -> dict[str, Any]:
    """Run all contenders in turn, once for warming up and then as often as is counted.

    One that fails while warming up is left out, with the last line of what it said.
    """
    commands: list[tuple[Contender, Command]] = []
    for number, contender in enumerate(workload.contenders):
        folder = scratch / f"{workload.name}_{number}"
        workload.write(folder)
        arguments = contender.prepare(folder, tools, workload.env)
        commands.append((contender, Command(contender.name, arguments, folder)))
    figures: dict[str, dict[str, Any]] = {}
    for turn in range(runs + 1):
        for contender, command in commands:
            figure = figures.setdefault(contender.name, {"isolated": contender.is_isolated})
            if "failed" in figure:
                continue
            time.sleep(workload.pause_s)
            try:
                usage = used_by(command)
            except CommandFailedError as error:
                figure["failed"] = str(error).strip().splitlines()[-1]
                print(
                    f"{workload.title}: {contender.name} failed: {figure['failed']}",
                    file=sys.stderr,
                )
                continue
            print(f"{workload.title}: {contender.name}: {usage.wall_s:.2f} s", flush=True)
            if turn > 0:
                for field, value in usage._asdict().items():
                    figure.setdefault(field, []).append(round(value, 3))
    for _, command in commands:
        shutil.rmtree(command.folder)
    return {
        "name": workload.name,
        "title": workload.title,
        "nodes": workload.nodes,
        "contenders": figures,
    }


def describe_machine(tools: Tools) -> dict[str, Any]:
    """Return what the figures depend on."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "dagster": version("dagster"),
        "kedro": version_in(tools.kedro, "kedro"),
        "kedro-dagster": version_in(tools.peers, "kedro-dagster"),
    }


def version_in(python: Path, package: str) -> str:
    """Return the version of a package in another environment."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.check_output([str(python), "-c", code], text=True).strip()


def write_example(folder: Path) -> None:
    """Copy the flights example without what was generated in it."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("data", ".kedro-pipes"))


def write_catalog_project(folder: Path) -> None:
    """Write one trivial node and a large catalog."""
    write_trivial_project(folder, 1)
    with (folder / "conf/base/catalog.yml").open("a") as catalog:
        catalog.writelines(ENTRY.format(number=number) for number in range(CATALOG_ENTRIES))


if __name__ == "__main__":
    main()
