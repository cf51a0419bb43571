"""Which pipelines load alone: found out at export, used by the worker, wrong at times."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

PROJECTS = Path(__file__).parents[1] / "projects"
AFTERWARDS = """\
from kedro.framework.project import pipelines
from kedro_pipes.export import export_project

export_project()
print(sorted(pipelines), getattr(pipelines, "_requested_pipelines", None))
"""
COUNTED = """\


def _counted(register):
    from pathlib import Path

    from kedro.framework.project import pipelines

    def register_and_count():
        with Path("calls.txt").open("a") as calls:
            calls.write(f"{pipelines._requested_pipelines}\\n")
        return register()

    return register_and_count


register_pipelines = _counted(register_pipelines)
"""


@pytest.fixture
def copied(tmp_path):
    """Copy a project of tests/projects."""

    def copy(name):
        ignored = shutil.ignore_patterns("__pycache__", "library", "data", ".kedro-pipes")
        folder = tmp_path / name
        shutil.copytree(PROJECTS / name, folder, ignore=ignored)
        (folder / "conf/local").mkdir(exist_ok=True)
        return folder

    return copy


def loading(manifest):
    return {each["name"]: each["loads_alone"] for each in manifest["pipelines"]}


@pytest.mark.newest
def test_found_pipelines_load_alone(copied, export):
    """What `find_pipelines` finds loads alone; what is made of it does not, nor the default."""
    environment = {"PYTHONPATH": str(PROJECTS / "two_worlds/library")}
    manifest = export(copied("two_worlds"), **environment)

    expected = {"__default__": None, "counting": False, "heavy": True, "light": True}
    assert expected == loading(manifest)


@pytest.mark.newest
def test_composed_registry_does_not(copied, export):
    """Where the registry adds up its own entries, none of its pipelines loads alone."""
    found = loading(export(copied("composed")))

    assert found.pop("__default__") is None
    assert {"etl", "extract", "resume", "statistics", "transform", "unsafe"} == found.keys()
    assert {False} == set(found.values())


@pytest.mark.newest
def test_registry_that_builds_everything(spaceport, export):
    """One that pays no heed to what is asked for is asked once, whatever it holds."""
    registry = spaceport / "src/spaceport/pipeline_registry.py"
    registry.write_text(registry.read_text() + COUNTED)
    found = loading(export(spaceport))

    assert {"__default__": None, "ingestion": True, "reporting": True, "training": True} == found
    assert 2 == len((spaceport / "calls.txt").read_text().splitlines())


@pytest.mark.newest
def test_other_nodes_are_no_load(copied, export):
    """A pipeline that is smaller when it is asked for alone does not load alone."""
    folder = copied("two_worlds")
    registry = folder / "src/two_worlds/pipeline_registry.py"
    registry.write_text(
        registry.read_text().replace(
            "    return {**pipelines,",
            '    pipelines["light"] = sum(pipelines.values())\n    return {**pipelines,',
        )
    )
    environment = {"PYTHONPATH": str(PROJECTS / "two_worlds/library")}

    found = loading(export(folder, **environment))

    assert {"__default__": None, "counting": False, "heavy": True, "light": False} == found


@pytest.mark.newest
def test_nothing_is_left_behind(copied, run_command):
    """Afterwards the registry gives all pipelines again, and nothing is said of the probes."""
    result = run_command([sys.executable, "-c", AFTERWARDS], copied("composed"))

    assert 0 == result.returncode, result.stderr
    expected = "['__default__', 'etl', 'extract', 'resume', 'statistics', 'transform', 'unsafe']"
    assert f"{expected} None" == result.stdout.splitlines()[-1]
    assert "Nothing defined therein" not in result.stderr


@pytest.mark.newest
@pytest.mark.parametrize(
    ("load_all", "calls"),
    [(True, ["None"]), (False, ["['extract']", "None"])],
)
def test_worker_goes_straight_to_all(copied, run_command, load_all, calls):
    """Where trying is pointless it is not tried; where a probe was wrong the worker loads all."""
    folder = copied("composed")
    registry = folder / "src/composed/pipeline_registry.py"
    registry.write_text(registry.read_text() + COUNTED)
    invocation = {
        "group": "by1.count",
        "nodes": ["by1.count", "by1.describe"],
        "pipelines": ["extract"],
        "load_all": load_all,
        "kedro_run_id": "2026-01-01T00.00.00.000Z",
        "dagster_run_id": "by-hand",
        "package_name": "composed",
    }
    (folder / "invocation.json").write_text(json.dumps(invocation))
    command = [sys.executable, "-m", "kedro_pipes", "--invocation", "invocation.json"]
    result = run_command(command, folder, PATH=os.environ["PATH"])

    assert 0 == result.returncode, result.stderr
    assert "10 times 1" == (folder / "data/by1/described.txt").read_text()
    assert calls == (folder / "calls.txt").read_text().splitlines()
