"""`kedro pipes profile`: which phase a worker's time is found under, and how it fails."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version

import pytest

PROFILE = [sys.executable, "-m", "kedro_pipes", "profile"]
SLEPT_S = {
    "settings": 0.2,
    "pipelines": 0.3,
    "hooks": 0.35,
    "catalog": 0.4,
    "load": 0.5,
    "node": 0.6,
    "save": 0.7,
    "exit": 0.8,
}
SETTINGS = """\
import time
from kedro.framework.hooks import hook_impl
time.sleep({settings})


class Slow:
    @hook_impl
    def after_context_created(self):
        time.sleep({hooks})


HOOKS = (Slow(),)
"""
DATASET = """\
import time
from kedro.io import AbstractDataset


class Slow(AbstractDataset):
    def __init__(self):
        time.sleep({catalog} / 2)

    def _load(self):
        time.sleep({load})
        return 1

    def _save(self, data):
        time.sleep({save})

    def _describe(self):
        return {{}}
"""
NODES = """\
import atexit, sys, time

if "profile" not in sys.argv:  # which loads the project as well
    time.sleep({pipelines})
    atexit.register(time.sleep, {exit})


def work(data):
    time.sleep({node})
    return data
"""
REGISTRY = """\
from kedro.pipeline import node, pipeline
from slow.nodes import work


def register_pipelines():
    nodes = [
        node(work, "before", "between", name="first"),
        node(sum, "parts", "whole", name="other"),
    ]
    return {{"__default__": pipeline(nodes), "other": pipeline(nodes[1:])}}
"""
PYPROJECT = f"""\
[tool.kedro]
package_name = "slow"
project_name = "Slow"
kedro_init_version = "{version("kedro")}"
"""
CATALOG = """\
before: {type: slow.datasets.Slow}
between: {type: slow.datasets.Slow}
parts: {type: json.JSONDataset, filepath: data/parts.json}
"""


@pytest.fixture
def slow(tmp_path):
    """Write a project that sleeps in every phase."""
    package = tmp_path / "slow/src/slow"
    for folder in (package, tmp_path / "slow/conf/base", tmp_path / "slow/conf/local"):
        folder.mkdir(parents=True)
    (tmp_path / "slow/pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "slow/conf/base/catalog.yml").write_text(CATALOG)
    (package / "__init__.py").touch()
    for name, text in (
        ("settings", SETTINGS),
        ("datasets", DATASET),
        ("nodes", NODES),
        ("pipeline_registry", REGISTRY),
    ):
        (package / f"{name}.py").write_text(text.format(**SLEPT_S))
    return tmp_path / "slow"


@pytest.mark.newest  # Kedro 0.19 makes datasets while it reads the configuration
def test_phases(slow, run_command):
    """Each second is found under the phase that it was spent in, and they add up to the whole."""
    result = run_command([*PROFILE, "first", "--runs", "1", "--json"], slow)
    view = json.loads(result.stdout)
    taken = {phase["name"]: phase["seconds"] for phase in view["phases"]}
    least = {name: taken[name] >= slept_s for name, slept_s in SLEPT_S.items()}
    processor_s = sum(phase["processor_s"] for phase in view["phases"])

    assert dict.fromkeys(SLEPT_S, True) == least, taken
    assert taken["node"] < SLEPT_S["node"] + SLEPT_S["settings"], taken
    assert view["seconds"] == pytest.approx(sum(taken.values()), abs=0.01)
    assert 0 < view["processor_s"] < view["seconds"] - sum(SLEPT_S.values()) / 2
    assert view["processor_s"] == pytest.approx(processor_s, abs=0.01)
    assert ("first", ["first"], 1, "1.0") == tuple(
        view[key] for key in ("node", "nodes", "runs", "version")
    )


def test_imports(slow, run_command):
    """Packages that the worker imports are listed, largest first, with their modules."""
    result = run_command([*PROFILE, "first", "--runs", "1", "--json"], slow)
    imports = json.loads(result.stdout)["imports"]
    modules = {each["package"]: each["modules"] for each in imports}
    seconds = [each["seconds"] for each in imports]

    assert {"kedro", "kedro_pipes", "slow", "(standard library)"} <= modules.keys()
    assert (True, 1) == (seconds[0] >= SLEPT_S["pipelines"], modules["slow"])
    assert sorted(seconds, reverse=True) == seconds


def test_table(slow, run_command):
    """A row for each phase with its bar, the longest being the widest."""
    result = run_command([*PROFILE, "first", "--runs", "1"], slow)
    lines = result.stdout.splitlines()
    bars = {line.split()[0]: line.count("█") for line in lines if "█" in line}

    assert "first: a worker that starts anew" == lines[0]
    assert lines[2].split() == ["PHASE", "MS", "CPU", "MS", "WHAT"]
    assert bars["node"] < bars["exit"], result.stdout
    assert any(line.startswith("slow ") for line in lines)


def test_unknown_node(slow, run_command):
    """A node that is not there is refused, and the nearest name is told."""
    result = run_command([*PROFILE, "frist"], slow)

    assert (1, "") == (result.returncode, result.stdout)
    assert "Cannot profile node 'frist': the project has none. Did you mean 'first'?" in (
        result.stderr
    )


def test_node_that_fails(slow, run_command):
    """A node whose input is not there fails, with what its worker said and the way out."""
    result = run_command([*PROFILE, "other"], slow)

    assert (1, "") == (result.returncode, result.stdout)
    assert "parts.json" in result.stderr
    assert "Cannot profile node 'other': its worker ended with exit code 1." in result.stderr
