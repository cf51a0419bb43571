"""Measure what isolation costs: whole commands, in turn, as ratios in one run.

Run by `make bench`. Each row sets one of our commands beside the one a user would run without
us; both are run in turn, so that a machine whose speed drifts changes both alike. Prints a
table of medians; asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from synthetic_project import write_project

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs/examples/nyc_flights"
DAGSTER = Path(sys.executable).parent / "dagster"
ONE_NODE = "ingest_planes"
SYNTHETIC_NODES, SYNTHETIC_PIPELINES = 2000, 20

DEFINITIONS = """\
from dagster_kedro import KedroProject, build_definitions

defs = build_definitions(KedroProject({project!r}, python={python!r}, env={env!r}))
"""
ONE_ASSET = """\
import dagster as dg


@dg.asset
def one(): ...


defs = dg.Definitions(assets=[one], jobs=[dg.define_asset_job("one_job")])
"""


class Command(NamedTuple):
    """A command line and where to run it."""

    label: str
    arguments: list[str]
    folder: Path


class Row(NamedTuple):
    """Two commands to compare."""

    title: str
    ours: Command
    theirs: Command


def main() -> None:
    """Prepare the projects in a scratch folder, measure every row, print the table."""
    options = parse_arguments()
    scratch = Path(tempfile.mkdtemp(prefix="kedro-pipes-bench-"))
    os.environ["DAGSTER_HOME"] = str(scratch / "dagster_home")
    (scratch / "dagster_home").mkdir()
    (scratch / "dagster_home/dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    try:
        rows = prepare_rows(scratch, ROOT / options.kedro_python)
        print(f"{options.runs} runs each, in turn, after one that is not counted.\n")
        print("| What | ours | beside | ours, s | beside, s | ratio (min-max) |")
        print("|---|---|---|---|---|---|", flush=True)
        for row in rows:
            print(measure(row, options.runs), flush=True)
    finally:
        shutil.rmtree(scratch)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kedro-python", type=Path, required=True, help="interpreter with Kedro")
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each command")
    return parser.parse_args()


def prepare_rows(scratch: Path, python: Path) -> list[Row]:
    """Copy the example, write the synthetic project, export both; return what to measure."""
    example, synthetic = scratch / "nyc_flights", scratch / "synthetic"
    shutil.copytree(EXAMPLE, example, ignore=shutil.ignore_patterns("data", ".kedro-pipes"))
    write_project(synthetic, SYNTHETIC_NODES, SYNTHETIC_PIPELINES)
    kedro = str(python.with_name("kedro"))
    export = [str(python), "-m", "kedro_pipes", "export", "-o", "manifest.json"]
    for folder, env in ((example, "sample"), (synthetic, None)):
        run_silently([*export, *(["--env", env] if env else [])], folder)
        text = DEFINITIONS.format(project=str(folder), python=str(python), env=env)
        (folder / "definitions.py").write_text(text)
    (scratch / "one_asset.py").write_text(ONE_ASSET)
    run_silently([kedro, "run", "--env=sample"], example)
    write_invocation(example)
    return [
        Row(
            "22 nodes of the example in 15 processes",
            Command(
                "job execute",
                [str(DAGSTER), "job", "execute", "-f", "definitions.py", "-j", "__default__"],
                example,
            ),
            Command("kedro run", [kedro, "run", "--env=sample"], example),
        ),
        Row(
            "one node",
            Command(
                "cold worker",
                [str(python), "-m", "kedro_pipes", "--invocation", "invocation.json"],
                example,
            ),
            Command(
                "kedro run --nodes", [kedro, "run", "--env=sample", f"--nodes={ONE_NODE}"], example
            ),
        ),
        Row(
            f"export of {SYNTHETIC_NODES:,} nodes",
            Command(
                "kedro pipes export", [kedro, "pipes", "export", "-o", "manifest.json"], synthetic
            ),
            Command("kedro registry list", [kedro, "registry", "list"], synthetic),
        ),
        Row(
            f"definitions of {SYNTHETIC_NODES:,} nodes, {SYNTHETIC_PIPELINES + 1} jobs",
            Command(
                "validate",
                [str(DAGSTER), "definitions", "validate", "-f", "definitions.py"],
                synthetic,
            ),
            Command(
                "validate one asset",
                [str(DAGSTER), "definitions", "validate", "-f", "one_asset.py"],
                scratch,
            ),
        ),
    ]


def write_invocation(example: Path) -> None:
    """Write what a worker is asked to run for the one-node row."""
    invocation = {
        "group": ONE_NODE,
        "nodes": [ONE_NODE],
        "pipelines": ["data_processing"],
        "kedro_run_id": "2026-01-01T00.00.00.000Z",
        "dagster_run_id": "bench",
        "package_name": "nyc_flights",
        "env": "sample",
    }
    (example / "invocation.json").write_text(json.dumps(invocation))


def measure(row: Row, runs: int) -> str:
    """Run both commands in turn; return the table's row."""
    ours, theirs = row.ours, row.theirs
    times = [(timed(ours), timed(theirs)) for _ in range(runs + 1)]
    counted = times[1:]
    ratios = [left / right for left, right in counted]
    medians = [statistics.median(column) for column in zip(*counted, strict=True)]
    return (
        f"| {row.title} | {ours.label} | {theirs.label} | {medians[0]:.2f} | {medians[1]:.2f} | "
        f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f}-{max(ratios):.2f}) |"
    )


def timed(command: Command) -> float:
    """Return the seconds that a whole command takes."""
    began_s = time.perf_counter()
    run_silently(command.arguments, command.folder)
    return time.perf_counter() - began_s


def run_silently(arguments: list[str], folder: Path) -> None:
    """Run a command; show what it said only if it failed."""
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(arguments)}\nfailed:\n{done.stdout}\n{done.stderr}")


if __name__ == "__main__":
    main()
