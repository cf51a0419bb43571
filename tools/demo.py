"""Materialize the example project under Dagster and show what was made, where and how fast.

Run by `make demo`, in the environment that has Dagster and no Kedro.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "docs/examples/nyc_flights"
BUILD = ROOT / ".build/demo"
POLL_S = 0.5
SCREEN = sys.stdout  # the run's own output goes to a file meanwhile
ROW = "  {:<24}{:>10}{:>10}{:>10}"


def main() -> int:
    """Export, run, show; return 0 if every asset was materialized."""
    options = parse_arguments()
    prepare_dagster_home()
    step("Exporting the manifest with the project's own interpreter")
    export_manifest(options.kedro_python, options.env)
    step("Materializing the example, every group of nodes in a process of its own")
    instance = dg.DagsterInstance.get()
    print(ROW.format("asset", "rows", "seconds", "process"), flush=True)
    began_s = time.monotonic()
    run = MaterializingRun(instance, options.env)
    processes = {show(record) for record in run.materializations()}
    seconds = time.monotonic() - began_s
    if not run.succeeded:
        print(f"\nThe run failed. Its log: {BUILD / 'run.log'}")
        return 1
    print(f"\n{run.count} assets from {len(processes)} processes in {seconds:.0f} s.")
    print(f"The report: {EXAMPLE / 'data'}\nThe run's log: {BUILD / 'run.log'}")
    print("\nLook at the graph, the runs and the metadata in Dagster:  make dev")
    return 0


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kedro-python", type=Path, required=True, help="interpreter with Kedro")
    parser.add_argument("--env", help="Kedro environment; `sample` is a tenth of the data")
    return parser.parse_args()


def prepare_dagster_home() -> None:
    """Make the folder in which Dagster keeps its runs, so that `make dev` shows them too."""
    home = BUILD / "dagster_home"
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    os.environ["DAGSTER_HOME"] = str(home)


def export_manifest(kedro_python: Path, env: str | None) -> None:
    """Run the exporter as a user would."""
    command = [str(ROOT / kedro_python), "-W", "ignore", "-m", "kedro_pipes", "export"]
    command += ["-o", "manifest.json", *(["--env", env] if env else [])]
    subprocess.run(command, cwd=EXAMPLE, check=True)


class MaterializingRun:
    """One run of the default job, watched through Dagster's event log."""

    def __init__(self, instance: dg.DagsterInstance, env: str | None) -> None:
        self._instance = instance
        self._run_id = str(uuid.uuid4())
        self._env = env
        self.succeeded = False
        self.count = 0

    def materializations(self) -> Iterator[dg.AssetMaterialization]:
        """Run the job in a thread; yield what it materializes as it comes."""
        with (BUILD / "run.log").open("w") as log:
            thread = threading.Thread(target=self._execute, args=(log,))
            thread.start()
            while thread.is_alive():
                thread.join(POLL_S)
                yield from self._new_materializations()
            yield from self._new_materializations()

    def _new_materializations(self) -> Iterator[dg.AssetMaterialization]:
        entries = self._instance.all_logs(
            self._run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        for entry in list(entries)[self.count :]:
            self.count += 1
            if entry.asset_materialization is not None:
                yield entry.asset_materialization

    def _execute(self, log: object) -> None:
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):  # type: ignore[type-var]
            resources = {"kedro": {"config": {"env": self._env}}} if self._env else {}
            result = (
                load_definitions()
                .get_job_def("__default__")
                .execute_in_process(
                    instance=self._instance,
                    run_id=self._run_id,
                    raise_on_error=False,
                    run_config={"resources": resources},
                )
            )
        self.succeeded = result.success


def load_definitions() -> dg.Definitions:
    """Import the example's definitions.py, as Dagster does."""
    sys.path.insert(0, str(EXAMPLE))
    from definitions import defs  # noqa: PLC0415 - a file of the example, not of a package

    return defs


def show(materialization: dg.AssetMaterialization) -> int:
    """Print one row; return the id of the process that made the asset."""
    metadata = {name: value.value for name, value in materialization.metadata.items()}
    seconds = sum(metadata[f"kedro/{phase}_s"] for phase in ("load", "compute", "save"))
    rows = metadata.get("dagster/row_count")
    process = metadata["kedro/process_id"]
    key = materialization.asset_key.to_user_string()
    row = ROW.format(key, "" if rows is None else f"{rows:,}", f"{seconds:.2f}", process)
    print(row, file=SCREEN, flush=True)
    return int(process)


def step(title: str) -> None:
    """Announce what comes next."""
    print(f"\n== {title}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
