"""A real project of `dg` with a Kedro project in it: what its commands show, write and run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PYPROJECT = """\
[project]
name = "place"
version = "0.1.0"

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "place"
"""
DEFINITIONS = """\
from pathlib import Path

import dagster as dg


@dg.definitions
def defs():
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory, copy_of):
    """A project as `create-dagster project` makes it, beside nothing but a Kedro project."""
    folder = tmp_path_factory.mktemp("dagster-project")
    copy_of("relay").rename(folder / "relay")
    (folder / "relay/manifest.json").unlink()
    (folder / "src/place/defs").mkdir(parents=True)
    for module in ("src/place/__init__.py", "src/place/defs/__init__.py"):
        (folder / module).touch()
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "src/place/definitions.py").write_text(DEFINITIONS)
    return folder


@pytest.fixture(scope="module")
def run(place, tmp_path_factory):
    """Run a program of Dagster's environment in the project."""
    home = tmp_path_factory.mktemp("dagster-home")
    (home / "dagster.yaml").touch()
    programs = Path(sys.executable).parent
    settings = {
        "DAGSTER_HOME": str(home),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": str(place / "src"),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }

    def run_program(program, *arguments, fails=False):
        done = subprocess.run(
            [programs / program, *arguments],
            cwd=place,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert fails == (done.returncode != 0), done.stdout + done.stderr
        return done.stdout + done.stderr if fails else done.stdout

    return run_program


@pytest.fixture(scope="module")
def scaffolded(place, run, kedro_python):
    """The file that `dg scaffold defs` writes."""
    options = ["--project-path", "relay", "--python", str(kedro_python)]
    run("dg", "scaffold", "defs", "dagster_kedro.KedroProjectComponent", "relay_runs", *options)
    return place / "src/place/defs/relay_runs/defs.yaml"


@pytest.fixture
def changed(scaffolded):
    """Change the file for one test."""
    before = scaffolded.read_text()
    yield lambda old, new: scaffolded.write_text(before.replace(old, new))
    scaffolded.write_text(before)


def defined(run, kind, name):
    return {each[name] for each in json.loads(run("dg", "list", "defs", "--json"))[kind]}


def test_is_listed(run):
    """`dg list components` knows the component without any setting."""
    listed = json.loads(run("dg", "list", "components", "--json"))

    assert "dagster_kedro.KedroProjectComponent" in {each["key"] for each in listed["items"]}


def test_scaffold(scaffolded, kedro_python):
    """What is scaffolded names the project from the root, so that it holds elsewhere too."""
    lines = [line.strip() for line in scaffolded.read_text().splitlines() if line]

    assert [
        "type: dagster_kedro.KedroProjectComponent",
        "attributes:",
        "project:",
        "project_dir: '{{ context.project_root }}/relay'",
        f"python: {kedro_python}",
    ] == lines


def test_scaffold_of_no_project(place, run):
    """A misspelt folder is refused before anything is written that would be in the way."""
    options = ["dagster_kedro.KedroProjectComponent", "misspelt", "--project-path", "rely"]
    said = run("dg", "scaffold", "defs", *options, fails=True)

    assert f"'{place}/rely' holds no pyproject.toml" in said
    assert not (place / "src/place/defs/misspelt").exists()


def test_check(scaffolded, run):
    """`dg check yaml` and `dg check defs` have nothing to complain of."""
    assert scaffolded.is_file()
    said = run("dg", "check", "defs")

    assert "All component YAML validated successfully." in said
    assert "All definitions loaded successfully." in said


def test_check_of_a_misspelt_attribute(changed, run):
    """`dg check yaml` names a key that is not there, without loading anything."""
    changed("attributes:", "attributes:\n  selcet: memory")

    assert "selcet" in run("dg", "check", "yaml", fails=True)


def test_lists_what_the_project_has_now(scaffolded, place, run):
    """`dg` refreshes the manifest first: a change of the Kedro project is seen at once."""
    assert scaffolded.is_file()
    registry = place / "relay/src/relay/pipeline_registry.py"
    before = registry.read_text()
    registry.write_text(before.replace('"memory": ', '"remembered": '))
    changed = defined(run, "jobs", "name")
    registry.write_text(before)

    assert "remembered" in changed
    assert not (place / "relay/manifest.json").exists()


def test_deployed(scaffolded, place, run):
    """Elsewhere the state counts until it is refreshed, and a job runs on it."""
    run("dg", "utils", "refresh-defs-state")
    (state,) = (scaffolded.parent.parent / ".local_defs_state").glob("*/state")
    refreshed = state.read_bytes()
    registry = place / "relay/src/relay/pipeline_registry.py"
    registry.write_text(registry.read_text().replace('"logging": ', '"renamed": '))
    run("dagster", "job", "execute", "-m", "place.definitions", "-j", "memory")

    assert refreshed == state.read_bytes()
    assert 12 == json.loads((place / "relay/data/total.json").read_text())
