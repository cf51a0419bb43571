"""Measure what one node more costs: chains and fans of trivial nodes, and a fan that sleeps.

Usage: python tests/benchmarks/growth.py --kedro-python .venv/kedro/bin/python [--sizes 10 100 500]

Runs each project as one `dagster job execute`, warm, a process for each node, in turn. Prints the
slope between the sizes; asserts nothing.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from measuring import ROOT, Command, Usage, compile_sources, measure_in_turn, run_silently
from workloads import write_definitions, write_trivial_project

DAGSTER = Path(sys.executable).parent / "dagster"
SLEEPERS, ASLEEP_S, AT_A_TIME = 100, 1.0, 50


def main() -> None:
    """Write the projects, measure them, print the tables."""
    options = parse_arguments()
    python = ROOT / options.kedro_python
    scratch = Path(tempfile.mkdtemp(prefix="kedro-pipes-growth-"))
    os.environ["DAGSTER_HOME"] = str(scratch / "dagster_home")
    (scratch / "dagster_home").mkdir()
    (scratch / "dagster_home/dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    compile_sources(python, Path(sys.executable))
    try:
        print("| Nodes | seconds | processor, s | memory, MB |")
        print("|---|---|---|---|")
        for shape in ("chain", "fan_out"):
            commands = [prepare(scratch, python, shape, size) for size in options.sizes]
            show(commands, options.sizes, measure_in_turn(commands, options.runs))
        show_sleepers(scratch, python, options.runs)
    finally:
        shutil.rmtree(scratch)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kedro-python", type=Path, required=True, help="interpreter with Kedro")
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each project")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 500], help="nodes")
    return parser.parse_args()


def prepare(
    scratch: Path,
    python: Path,
    shape: str,
    nodes: int,
    *,
    asleep_s: float = 0,
    max_concurrent: int | None = None,
) -> Command:
    """Write a project, export it; return the command that runs it."""
    folder = scratch / f"{shape}_{nodes}_{asleep_s:g}"
    write_trivial_project(folder, nodes, shape, asleep_s=asleep_s)
    run_silently([str(python), "-m", "kedro_pipes", "export", "-o", "manifest.json"], folder)
    write_definitions(
        folder / "definitions.py", python, start="warm", max_concurrent=max_concurrent
    )
    command = [str(DAGSTER), "job", "execute", "-f", "definitions.py", "-j", "__default__"]
    return Command(f"{shape} of {nodes}", command, folder)


def show(commands: list[Command], sizes: list[int], counted: list[list[Usage]]) -> None:
    """Print a row for each size, and one for each slope between two."""
    columns = list(zip(*counted, strict=True))
    for command, column in zip(commands, columns, strict=True):
        print(f"| {command.label} | {cells(column, 1)} |", flush=True)
    for (small, first), (large, second) in itertools.pairwise(zip(sizes, columns, strict=True)):
        slopes = [
            Usage(*((b - a) / (large - small) for a, b in zip(before, after, strict=True)))
            for before, after in zip(first, second, strict=True)
        ]
        print(f"| each node more, {small} to {large} | {cells(slopes, 3)} |", flush=True)


def cells(column: list[Usage], digits: int) -> str:
    """Return median, smallest and largest of what some runs took."""
    return " | ".join(
        f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"
        for values in zip(*column, strict=True)
    )


def show_sleepers(scratch: Path, python: Path, runs: int) -> None:
    """Print what a fan of nodes that sleep takes beyond the same run of a single sleeper."""
    options = {"asleep_s": ASLEEP_S, "max_concurrent": AT_A_TIME}
    many = prepare(scratch, python, "fan_out", SLEEPERS, **options)
    one = prepare(scratch, python, "fan_out", 1, **options)
    ideal_s = ASLEEP_S * SLEEPERS / AT_A_TIME
    ratios = [
        (all_of_them.wall_s - alone.wall_s + ASLEEP_S) / ideal_s
        for all_of_them, alone in measure_in_turn([many, one], runs)
    ]
    print(
        f"\n{SLEEPERS} nodes that sleep {ASLEEP_S:g} s, {AT_A_TIME} at a time, beyond the start of "
        f"the run: **{statistics.median(ratios):.2f}** ({min(ratios):.2f}-{max(ratios):.2f}) of "
        f"the ideal {ideal_s:g} s."
    )


if __name__ == "__main__":
    main()
