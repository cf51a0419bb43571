"""A run under Dagster, every group in a process of its own, gives what `kedro run` gives."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
COMPARE = Path(__file__).with_name("compare_outputs.py")


@pytest.fixture(scope="module")
def run_both(kedro_python, export, run_job, tmp_path_factory):
    """Run a project with `kedro run` and under Dagster; return both folders and Dagster's run."""

    def run(source: Path, env: str | None = None):
        options = ["--env", env] if env else []
        environment = {**os.environ, "KEDRO_DISABLE_TELEMETRY": "1"}
        by_kedro, by_dagster = (tmp_path_factory.mktemp(tool) / source.name for tool in "kd")
        for folder in (by_kedro, by_dagster):
            shutil.copytree(source, folder, ignore=without_results(source))
            (folder / "conf/local").mkdir(exist_ok=True)
        subprocess.run(
            [kedro_python.with_name("kedro"), "run", *options],
            cwd=by_kedro,
            env=environment,
            check=True,
        )
        export(by_dagster, *options)
        finished = run_job(by_dagster, "__default__", project_options={"env": env})
        assert finished.success, finished.errors
        compared = subprocess.run(
            [kedro_python, COMPARE, by_kedro, by_dagster, *filter(None, [env])],
            env=environment, capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
        return finished, json.loads(compared.stdout.splitlines()[-1])

    return run


def without_results(source: Path):
    """Leave behind what a run wrote: everything under `data` but the raw files."""

    def ignored(folder, names):
        if Path(folder) == source / "data":
            return [name for name in names if name != "01_raw"]
        return [name for name in names if name in {"__pycache__", ".kedro-pipes", "manifest.json"}]

    return ignored


@pytest.fixture(scope="module")
def flights(run_both):
    """Both runs of the example, on its sample."""
    return run_both(REPOSITORY / "docs/examples/nyc_flights", "sample")


@pytest.fixture(scope="module")
def spaceport(run_both):
    """Both runs of the test project."""
    return run_both(REPOSITORY / "tests/projects/spaceport")


@pytest.mark.slow
def test_flights_are_equal(flights):
    """All that the example saves is equal by value, metrics to a billionth."""
    _, compared = flights

    assert compared["different"] == []
    assert {"features", "departures_by_month", "linear.metrics", "boosting.predictions"} <= set(
        compared["compared"]
    )


@pytest.mark.slow
def test_flights_use_processes(flights):
    """Every group of the example had a process of its own, none of them this one."""
    run, _ = flights

    assert_own_processes(run)
    assert len(set(run.process_ids.values())) > 10


def test_spaceport_is_equal(spaceport):
    """All that the test project saves is equal by value."""
    _, compared = spaceport

    assert compared["different"] == []
    assert {"model_input", "north.model", "summary"} <= set(compared["compared"])


def test_spaceport_uses_processes(spaceport):
    """Groups have a process each; nodes that share in-memory data share one."""
    run, _ = spaceport

    assert_own_processes(run)
    assert run.process_ids["north.select"] == run.process_ids["north.fit"]
    assert run.process_ids["north.fit"] != run.process_ids["south.fit"]


def test_everything_is_materialized_in_order(spaceport):
    """Each asset is materialized once, after those that it depends on."""
    run, _ = spaceport

    order = run.materialized
    assert len(order) == len(set(order))
    for earlier, later in [("model_input", "north/model"), ("summary", "announce")]:
        assert order.index(earlier) < order.index(later)


def test_rows_and_columns(spaceport):
    """Tables are described by what was really saved."""
    run, _ = spaceport

    shuttles = run.materializations["clean_shuttles"]
    assert shuttles["dagster/row_count"] > 0
    assert "seats" in [column.name for column in shuttles["dagster/column_schema"].columns]


def assert_own_processes(run):
    groups = set(run.process_ids.values())
    started = [text for _, text in run.logged if "Worker started: process " in text]
    # The conductor forks them, and runs no node itself.
    assert 1 == sum(text.startswith("[conductor] ") for text in started)
    assert len(started) - 1 == len(groups)
    assert os.getpid() not in groups
