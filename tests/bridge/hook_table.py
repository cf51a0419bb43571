"""Count the calls of every hook under `kedro run` and under Dagster, side by side.

    python hook_table.py --kedro-python PATH [--write docs/explanation/hooks.md]

Each column runs `tests/projects/hooked` twice, once well and once with a node that fails, and reads
what its hooks have told.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_kedro import KedroPipesResource, KedroProject, KedroSubprocessClient, build_definitions

PROJECT = Path(__file__).parents[1] / "projects/hooked"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
SILENT = {"KEDRO_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
HOOKS = [
    "after_context_created",
    "after_catalog_created",
    "before_pipeline_run",
    "before_dataset_loaded",
    "after_dataset_loaded",
    "before_node_run",
    "after_node_run",
    "before_dataset_saved",
    "after_dataset_saved",
    "after_pipeline_run",
    "on_node_error",
    "on_pipeline_error",
]
OF_FAILURES = ("on_node_error", "on_pipeline_error")
EACH_ALONE = {"memory_datasets": "stage"}
BY_TAG = {"grouping": {"strategy": "tag"}}
FORKED = {"clients": {"default": {"type": "subprocess", "start": "warm"}}}
ANEW = {"clients": {"default": {"type": "subprocess", "start": "cold"}}}
COLUMNS: list[tuple[str, dict[str, Any] | None]] = [
    ("`kedro run`", None),
    ("Warm: a group for each node", {**EACH_ALONE, **FORKED}),
    ("Warm: a group for each tag", {**BY_TAG, **FORKED}),
    ("Cold: a group for each node", {**EACH_ALONE, **ANEW}),
    ("… and a step for each", {**EACH_ALONE, **ANEW, "step_per": "group"}),
    ("Cold: a group for each tag", {**BY_TAG, **ANEW}),
    ("One group", {"groups": {"everything": {"pipelines": ["__default__"]}}, **ANEW}),
    (
        "Cold: a group for each node, `run_hooks: per_process`",
        {**EACH_ALONE, **ANEW, "run_hooks": "per_process"},
    ),
]
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
Calls = list[dict[str, Any]]


def main() -> None:
    """Run every column, print the table, and write it where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kedro-python", type=Path, required=True)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    python = options.kedro_python.absolute()
    columns = [
        (name, calls_of(python, content, fail=False), calls_of(python, content, fail=True))
        for name, content in COLUMNS
    ]
    lines = [
        f"| Hook | {' | '.join(name for name, *_ in columns)} |",
        f"| --- |{' --- |' * len(columns)}",
    ]
    for hook in HOOKS:
        cells = [
            counted(failed if hook in OF_FAILURES else well, hook) for _, well, failed in columns
        ]
        lines.append(f"| `{hook}` | {' | '.join(cells)} |")
    lines.append(f"| *Processes* | {' | '.join(processes(well) for _, well, _ in columns)} |")
    lines.append(f"| *In order* | {' | '.join(in_order(well) for _, well, _ in columns)} |")
    table = "\n".join(lines)
    print(table)
    if options.write:
        before, _, rest = options.write.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        options.write.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}")


def calls_of(python: Path, content: dict[str, Any] | None, *, fail: bool) -> Calls:
    """Return what the hooks of one run have told; without a `dagster.yml`, one of `kedro run`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / PROJECT.name
        shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("__pycache__", "data"))
        environment = {**os.environ, **SILENT}
        if content is None:
            command = [python.with_name("kedro"), "run", f"--params=fail={str(fail).lower()}"]
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, check=False
            )
            assert fail == bool(done.returncode), done.stderr.decode()
        else:
            (folder / "conf/base/dagster.yml").write_text(json.dumps(content))
            command = [python, "-m", "kedro_pipes", "export"]
            subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
            (folder / "hooks.jsonl").unlink()
            run_under_dagster(folder, python, fail=fail)
        lines = (folder / "hooks.jsonl").read_text().splitlines()
        return [call for line in lines if (call := json.loads(line))["who"] == "hooked"]


def run_under_dagster(folder: Path, python: Path, *, fail: bool) -> None:
    """Run all of a project's nodes."""
    resource = KedroPipesResource(client=KedroSubprocessClient(), parameters={"fail": fail})
    definitions = build_definitions(KedroProject(folder, python=python), resource=resource)
    job = definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=dg.DagsterInstance.ephemeral(), raise_on_error=False, run_config=QUIET
    )
    assert fail != result.success


def counted(calls: Calls, hook: str) -> str:
    """Return how often a hook was called, and in how many processes, if they are several."""
    found = [call["process_id"] for call in calls if call["hook"] == hook]
    return f"{len(found)} in {len(set(found))}" if len(set(found)) > 1 else str(len(found))


def processes(calls: Calls) -> str:
    """Return how many processes called any hook."""
    return str(len({call["process_id"] for call in calls}))


def in_order(calls: Calls) -> str:
    """Tell whether the run begins before its first node and ends after its last one."""
    hooks = [call["hook"] for call in calls]
    nodes = [index for index, call in enumerate(calls) if "node" in call]
    began = max(index for index, hook in enumerate(hooks) if hook == "before_pipeline_run")
    ended = min(index for index, hook in enumerate(hooks) if hook == "after_pipeline_run")
    return "yes" if began < nodes[0] and nodes[-1] < ended else "each worker by itself"


if __name__ == "__main__":
    main()
