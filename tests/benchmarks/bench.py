"""Measure what isolation costs: whole commands, in turn, as ratios in one run.

Run by `make bench`. Each row sets one of our commands beside the one a user would run without
us. Prints a table of medians; asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from contenders import ONE_ASSET_DEFINITIONS
from kedro_manifest.codec import read_manifest
from kedro_manifest.names import dagster_name
from light_project import write_light_project
from measuring import (
    ROOT,
    Command,
    CommandFailedError,
    compare,
    compile_sources,
    measure_in_turn,
    run_silently,
)
from synthetic_project import write_project
from workloads import write_definitions

EXAMPLE = ROOT / "docs/examples/nyc_flights"
DAGSTER = Path(sys.executable).parent / "dagster"
SYNTHETIC_NODES, SYNTHETIC_PIPELINES = 2000, 20

BARE_SPECS = """\
import json
from pathlib import Path

import dagster as dg

bare = json.loads(Path(__file__).with_name("bare.json").read_text())


@dg.multi_asset(
    specs=[dg.AssetSpec(key, deps=deps) for key, deps in bare["made"].items()], can_subset=True
)
def everything(): ...


defs = dg.Definitions(
    assets=[everything, *(dg.AssetSpec(key) for key in bare["free"])],
    jobs=[
        dg.define_asset_job(name, selection=dg.AssetSelection.assets(*keys))
        for name, keys in bare["jobs"].items()
    ],
)
del bare
"""
PLAIN = """\
import pandas as pd


def clean(raw):
    return raw.dropna()


clean(pd.read_csv("data/raw_orders.csv")).to_parquet("data/plain.parquet")
"""
SILENT = """\
reporting: {metadata: false, data_versions: never}
logs: {output: none, datasets: none}
"""


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
    python = ROOT / options.kedro_python
    compile_sources(python, Path(sys.executable))
    try:
        rows = prepare_rows(scratch, python)
        rows = [row for row in rows if options.only in row.title]
        print(f"{options.runs} runs each, in turn, after one that is not counted.\n")
        print("| What | ours | beside | seconds | processor, s | memory, MB |")
        print("|---|---|---|---|---|---|", flush=True)
        for row in rows:
            print(measure(row, options.runs), flush=True)
    except CommandFailedError as error:
        sys.exit(str(error))
    finally:
        shutil.rmtree(scratch)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kedro-python", type=Path, required=True, help="interpreter with Kedro")
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each command")
    parser.add_argument("--only", default="", help="measure the rows with this in their title")
    return parser.parse_args()


def prepare_rows(scratch: Path, python: Path) -> list[Row]:
    """Copy the example, write the synthetic project, export both; return what to measure."""
    example, silent = scratch / "nyc_flights", scratch / "silent"
    synthetic, light = scratch / "synthetic", scratch / "light"
    for folder in (example, silent):
        shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("data", ".kedro-pipes"))
    (silent / "conf/sample/dagster.yml").write_text(SILENT)
    write_project(synthetic, SYNTHETIC_NODES, SYNTHETIC_PIPELINES)
    write_light_project(light)
    kedro = str(python.with_name("kedro"))
    export = [str(python), "-m", "kedro_pipes", "export", "-o", "manifest.json"]
    for folder, env in ((example, "sample"), (silent, "sample"), (synthetic, None), (light, None)):
        run_silently([*export, *(["--env", env] if env else [])], folder)
        for file, step_per, start in (
            ("definitions.py", None, "cold"),
            ("one_step.py", "selection", "cold"),
            ("warm.py", None, "warm"),
        ):
            write_definitions(folder / file, python, env=env, start=start, step_per=step_per)
    (scratch / "one_asset.py").write_text(ONE_ASSET_DEFINITIONS)
    (synthetic / "bare_specs.py").write_text(BARE_SPECS)
    (synthetic / "bare.json").write_text(json.dumps(bare_location(synthetic / "manifest.json")))
    run_silently([kedro, "run", "--env=sample"], example)
    one_asset = f"{DAGSTER} job execute -f {scratch}/one_asset.py -j one_job"
    kedro_and_one_asset = Command(
        "kedro run, then a job of one asset", ["sh", "-c", f"{kedro} run && {one_asset}"], light
    )
    write_invocation(example, "ingest_planes", "data_processing", env="sample")
    write_invocation(light, "clean_orders", "__default__")
    (light / "plain.py").write_text(PLAIN)
    run_silently([kedro, "run"], light)
    cold_worker = [str(python), "-m", "kedro_pipes", "--invocation", "invocation.json"]
    return [
        Row(
            "22 nodes of the example in 15 processes",
            execute(example),
            Command("kedro run", [kedro, "run", "--env=sample"], example),
        ),
        Row("nine light nodes, forked", execute(light, "warm.py"), kedro_and_one_asset),
        Row(
            "nine light nodes, forked, beside started anew",
            execute(light, "warm.py"),
            execute(light),
        ),
        Row(
            "22 nodes of the example in 15 processes, forked",
            execute(example, "warm.py"),
            Command("kedro run", [kedro, "run", "--env=sample"], example),
        ),
        Row("the example with all reporting, beside none", execute(example), execute(silent)),
        Row(
            "one node of the example",
            Command("cold worker", cold_worker, example),
            Command(
                "kedro run --nodes",
                [kedro, "run", "--env=sample", "--nodes=ingest_planes"],
                example,
            ),
        ),
        Row(
            "one light node",
            Command("cold worker", cold_worker, light),
            Command("kedro run --nodes", [kedro, "run", "--nodes=clean_orders"], light),
        ),
        Row(
            "one light node, beside the same without Kedro",
            Command("cold worker", cold_worker, light),
            Command("plain pandas", [str(python), "plain.py"], light),
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
            validate(synthetic),
            validate(synthetic, "bare_specs.py"),
        ),
        Row(
            f"definitions of {SYNTHETIC_NODES:,} nodes, `step_per: selection`",
            validate(synthetic, "one_step.py"),
            validate(synthetic, "bare_specs.py"),
        ),
        Row(
            f"definitions of {SYNTHETIC_NODES:,} nodes, beside one asset",
            validate(synthetic),
            validate(scratch, "one_asset.py"),
        ),
        Row(
            "definitions of the example, beside one asset",
            validate(example),
            validate(scratch, "one_asset.py"),
        ),
    ]


def execute(folder: Path, file: str = "definitions.py") -> Command:
    """Return the command that runs a whole project."""
    command = [str(DAGSTER), "job", "execute", "-f", file, "-j", "__default__"]
    return Command(f"job execute in {folder.name}", command, folder)


def validate(folder: Path, file: str = "definitions.py") -> Command:
    """Return the command that loads a code location and every job in it."""
    arguments = [str(DAGSTER), "definitions", "validate", "-f", file]
    return Command(f"validate {file}", arguments, folder)


def bare_location(manifest_path: Path) -> dict[str, Any]:
    """Return keys, dependencies and jobs as somebody would write them for the same nodes."""
    manifest = read_manifest(manifest_path)
    made = {
        dagster_name(output): [dagster_name(name) for name in node.inputs]
        for node in manifest.nodes
        for output in node.outputs
    }
    outputs = {node.name: [dagster_name(name) for name in node.outputs] for node in manifest.nodes}
    return {
        "made": made,
        "free": sorted({dep for deps in made.values() for dep in deps} - made.keys()),
        "jobs": {
            pipeline.name: [key for node in pipeline.nodes for key in outputs[node]]
            for pipeline in manifest.pipelines
        },
    }


def write_invocation(folder: Path, node: str, pipeline: str, *, env: str | None = None) -> None:
    """Write what a worker is asked to run for the rows of one node."""
    invocation = {
        "group": node,
        "nodes": [node],
        "pipelines": [pipeline],
        "kedro_run_id": "2026-01-01T00.00.00.000Z",
        "dagster_run_id": "bench",
        "package_name": "nyc_flights" if env else "light",
        "env": env,
    }
    (folder / "invocation.json").write_text(json.dumps(invocation))


def measure(row: Row, runs: int) -> str:
    """Run both commands in turn; return the table's row."""
    ours, theirs = row.ours, row.theirs
    counted = measure_in_turn([ours, theirs], runs)
    cells = [
        compare([(getattr(left, field), getattr(right, field)) for left, right in counted], digits)
        for field, digits in (("wall_s", 2), ("cpu_s", 2), ("memory_mb", 0))
    ]
    return f"| {row.title} | {ours.label} | {theirs.label} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
