"""`kedro pipes init`: what it writes works, and every example in it as well."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from kedro_manifest.codec import read_manifest
from kedro_manifest.orchestration.root import Orchestration, read_orchestration
from kedro_manifest.orchestration.schema import dagster_yml_schema
from kedro_pipes.commands.starter import locate_interpreter, render_orchestration

DEFAULT_STORE = {"url": ".kedro-pipes/staging", "backend": "pickle"}
INIT = [sys.executable, "-m", "kedro_pipes", "init"]
CHECK = [sys.executable, "-m", "kedro_pipes", "check", "--json"]
FILES = ["conf/base/dagster.yml", "conf/schema.dagster.json", "definitions.py", "workspace.yaml"]
DEFAULTS = [True, "auto", "selection", "refuse", {"strategy": "node"}, DEFAULT_STORE]
"""Examples that say what holds anyway."""
PROJECTS = Path(__file__).parents[1] / "projects"


@pytest.fixture
def started(spaceport, run_command) -> Path:
    """A project without anything for Dagster in which `init` has run."""
    (spaceport / "conf/base/dagster.yml").unlink()
    result = run_command(INIT, spaceport)
    assert result.returncode == 0, result.stderr
    return spaceport


def with_examples(text: str) -> str:
    """Take the mark away from every example, as an editor does; explanations stay."""
    first, *lines = text.splitlines()
    shown = [line if line.startswith("##") else line.removeprefix("# ") for line in lines]
    return "\n".join([first, *shown])


def test_it_writes_what_is_not_there_and_says_what_to_do(spaceport, run_command):
    """Four files, then commands that can be copied; the first of them works."""
    (spaceport / "conf/base/dagster.yml").unlink()

    result = run_command(INIT, spaceport)
    *told, _, _, export, dagster = result.stderr.splitlines()[-8:]
    done = run_command([sys.executable, *shlex.split(export, comments=True)[1:]], spaceport)

    assert [f"Wrote {file}" for file in FILES] == told
    assert "python -m kedro_pipes export" == export.partition("#")[0].strip()
    assert "dagster dev" == dagster.partition("#")[0].strip()
    assert done.returncode == 0, done.stderr
    assert {} == json.loads((spaceport / "manifest.json").read_text())["orchestration"]


def test_under_kedros_command_line(spaceport, kedro, run_command):
    """The commands that it tells are those that it was called by."""
    result = run_command([kedro, "pipes", "init", "--force"], spaceport)

    assert result.returncode == 0, result.stderr
    assert "  kedro pipes export  #" in result.stderr


@pytest.fixture(scope="module")
def examples() -> dict:
    """All examples for the test project."""
    manifest = read_manifest(PROJECTS.parent / "manifest/fixtures/spaceport-1.0.json")
    return yaml.safe_load(with_examples(render_orchestration(manifest, "../s.json")))


def test_every_room_of_the_file_has_an_example(examples):
    """Whoever reads the file knows all that can be said in it."""
    assert set(Orchestration.__struct_fields__) - {"dev"} == set(examples)


@pytest.mark.parametrize("room", sorted(set(Orchestration.__struct_fields__) - {"dev"}))
def test_every_example_is_valid_on_its_own_and_for_editors(examples, room):
    """Each room can be used without any of the others."""
    content = {room: examples[room]}
    jsonschema.validate(content, dagster_yml_schema())

    assert Orchestration() != read_orchestration(content) or content[room] in DEFAULTS


def test_all_examples_together_hold_in_this_project(started, run_command):
    """They name pipelines, nodes and datasets that are there, and contradict nowhere."""
    file = started / FILES[0]
    file.write_text(with_examples(file.read_text()))
    schema = file.read_text().splitlines()[0].partition("$schema=")[2]

    found = json.loads(run_command(CHECK, started).stdout)

    assert 0 == found["errors"], found
    # Editors take the schema from beside the file, and fetch nothing.
    assert (started / FILES[1]).samefile(file.parent / schema)


def test_names_that_yaml_would_misread_are_quoted(copied, run_command):
    """Examples are valid with names of every kind that Kedro allows."""
    project = copied("curious")
    result = run_command(INIT, project)
    text = (project / FILES[0]).read_text()

    assert result.returncode == 0, result.stderr
    read_orchestration(yaml.safe_load(with_examples(text)))


def test_what_is_there_is_kept_and_told(spaceport, run_command):
    """A file of a user's is never overwritten, and the others are written all the same."""
    before = (spaceport / FILES[0]).read_text()

    result = run_command(INIT, spaceport)

    assert result.returncode == 0, result.stderr
    assert before == (spaceport / FILES[0]).read_text()
    assert f"Kept {FILES[0]}" in result.stderr.splitlines()
    assert "Wrote definitions.py" in result.stderr.splitlines()


def test_nothing_to_write_is_an_error_and_force_overwrites(started, run_command):
    """A second time nothing happens, until it is asked for."""
    (started / "definitions.py").write_text("mine = 1\n")

    again = run_command(INIT, started)
    kept = (started / "definitions.py").read_text()
    forced = run_command([*INIT, "--force"], started)

    assert (1, "mine = 1\n") == (again.returncode, kept)
    assert "--force" in again.stderr.splitlines()[-1]
    assert 0 == forced.returncode
    assert "build_definitions(project)" in (started / "definitions.py").read_text()


def test_another_environment(spaceport, run_command):
    """Its file is written there, and both the definitions and the command name it."""
    (spaceport / "conf/cloud/dagster.yml").unlink()

    result = run_command([*INIT, "--env", "cloud"], spaceport)

    assert (spaceport / "conf/cloud/dagster.yml").is_file()
    assert ', env="cloud")' in (spaceport / "definitions.py").read_text()
    assert "python -m kedro_pipes export --env cloud  #" in result.stderr


def test_an_environment_that_is_not_there(spaceport, run_command):
    """A misspelt environment is no folder to be made."""
    result = run_command([*INIT, "--env", "clowd"], spaceport)

    assert result.returncode == 1
    assert "choose from base, cloud, local" in result.stderr.splitlines()[-1]
    assert not (spaceport / "definitions.py").exists()


def test_a_project_without_environments(spaceport, run_command, try_export):
    """Its configuration lies in one folder, where nothing is taken for configuration wrongly."""
    (spaceport / "conf/base/dagster.yml").unlink()
    for file in (spaceport / "conf/base").iterdir():
        shutil.move(file, spaceport / "conf")
    for environment in ("base", "local", "cloud"):
        shutil.rmtree(spaceport / "conf" / environment)
    with (spaceport / "src/spaceport/settings.py").open("a") as settings:
        settings.write('CONFIG_LOADER_ARGS = {"base_env": ".", "default_run_env": "."}\n')

    started = run_command(INIT, spaceport)
    with (spaceport / "conf/dagster.yml").open("a") as orchestration:
        orchestration.write("timeout_s: 5m\n")
    result = try_export(spaceport)

    assert started.returncode == 0, started.stderr
    assert "Cannot use conf/dagster.yml:" in result.stderr.splitlines()[-1]


def test_it_works_from_a_folder_below(spaceport, run_command):
    """The project is found as Kedro finds it, and the way back to it is told."""
    result = run_command([*INIT, "--force"], spaceport / "src")

    assert "Wrote ../definitions.py" in result.stderr
    assert "  cd .." in result.stderr.splitlines()


@pytest.mark.parametrize(
    ("executable", "named"),
    [
        (".venv/bin/python", ""),
        ("venv/bin/python3", ""),
        ("environments/kedro/bin/python", "environments/kedro/bin/python"),
        ("../elsewhere/bin/python", "{outside}/elsewhere/bin/python"),
    ],
)
def test_the_interpreter_is_named_as_others_can_use_it(tmp_path, executable, named):
    """Not at all where it is found, relative in the project, absolute only elsewhere."""
    project = tmp_path / "project"
    python = project / executable
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)

    assert named.format(outside=tmp_path) == locate_interpreter(str(python), project)


def test_schema_for_editors(spaceport, run_command):
    """`kedro pipes schema` prints it, or writes it where it is wanted."""
    command = [sys.executable, "-m", "kedro_pipes", "schema"]
    printed = run_command(command, spaceport)
    written = run_command([*command, "-o", "s.json"], spaceport)

    assert dagster_yml_schema() == json.loads(printed.stdout)
    assert (0, printed.stdout) == (written.returncode, (spaceport / "s.json").read_text())


@pytest.mark.parametrize("command", ["init", "schema"])
def test_help_teaches(spaceport, run_command, command):
    """The help has examples to copy, for both ways of calling."""
    text = run_command([sys.executable, "-m", "kedro_pipes", command, "--help"], spaceport).stdout

    assert f"kedro pipes {command} " in text
    assert f"python -m kedro_pipes {command}" in text
