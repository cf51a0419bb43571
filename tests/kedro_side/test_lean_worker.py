"""What a cold worker does not do, though a Kedro run of its own would."""

from __future__ import annotations

import gc
import json
import sys

import pytest

NODE = """\
import gc
import json
import sys
from pathlib import Path

PACKAGES = ("kedro_telemetry", "requests", "rich", "git", "cookiecutter")


def look_around():
    seen = {
        "imported": [each for each in PACKAGES if each in sys.modules],
        "threshold": gc.get_threshold(),
        "enabled": gc.isenabled(),
    }
    Path("seen.json").write_text(json.dumps(seen))
    return "seen"
"""
REGISTRY = """\
from kedro.pipeline import node, pipeline
from relay.looking import look_around


def register_pipelines():
    return {"__default__": pipeline([node(look_around, None, "sight", name="look")])}
"""
INVOCATION = {
    "group": "look",
    "nodes": ["look"],
    "pipelines": ["__default__"],
    "kedro_run_id": "2026-01-01T00.00.00.000Z",
    "dagster_run_id": "by-hand",
    "package_name": "relay",
}


@pytest.fixture
def seen(copied, run_command, monkeypatch):
    """Run a node that looks around in its worker; return what it has seen."""
    for name in ("DO_NOT_TRACK", "KEDRO_DISABLE_TELEMETRY"):
        monkeypatch.delenv(name, raising=False)
    folder = copied("relay")

    def run(settings="", **environment):
        (folder / "src/relay/looking.py").write_text(NODE)
        (folder / "src/relay/pipeline_registry.py").write_text(REGISTRY)
        (folder / "src/relay/settings.py").write_text(settings)
        (folder / "invocation.json").write_text(json.dumps(INVOCATION))
        command = [sys.executable, "-m", "kedro_pipes", "--invocation", "invocation.json"]
        environment = {"KEDRO_DISABLE_TELEMETRY": "", **environment}
        result = run_command(command, folder, **environment)
        assert 0 == result.returncode, result.stderr
        return json.loads((folder / "seen.json").read_text())

    return run


@pytest.mark.newest  # Kedro 0.19 itself imports rich
def test_imports(seen):
    """A worker imports no library that only Kedro's command line or its telemetry needs."""
    assert [] == seen()["imported"]


def test_telemetry_that_is_wanted(seen, tmp_path):
    """With the variable that keeps telemetry, the plugin is there as ever."""
    (tmp_path / "relay/.telemetry").write_text("consent: false")

    assert "kedro_telemetry" in seen(KEDRO_PIPES_TELEMETRY="1")["imported"]


def test_garbage_is_searched_for_as_ever(seen):
    """A node finds the search for garbage as a new process of Python has it."""
    found = seen()

    assert (list(gc.get_threshold()), True) == (found["threshold"], found["enabled"])


def test_search_of_the_projects_own_choice(seen):
    """What a project itself says of the search for garbage stays."""
    assert [5000, 7, 9] == seen("import gc; gc.set_threshold(5000, 7, 9)")["threshold"]
    assert not seen("import gc; gc.disable()")["enabled"]


def test_settings_that_look_at_the_stack(seen):
    """A project's settings find `inspect` as it is, while Kedro loads them."""
    said = seen("import inspect; assert inspect.stack()[0].code_context")

    assert said["enabled"]
