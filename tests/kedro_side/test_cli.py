"""The command: where it writes, how it fails, what it teaches; and packaged projects."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from kedro_manifest.codec import read_manifest


def test_default_output_and_closing_line(spaceport, kedro, run_command):
    """`kedro pipes export` writes manifest.json here and says what is in it."""
    result = run_command([kedro, "pipes", "export"], spaceport)
    manifest = read_manifest(spaceport / "manifest.json")

    assert result.returncode == 0, result.stderr
    assert (
        "Wrote manifest.json: 4 pipelines, 10 nodes, 12 datasets, "
        f"{manifest.content_hash[:12]}" == result.stderr.splitlines()[-1]
    )


def test_one_is_no_plural(spaceport, try_export):
    """A pipeline is a pipeline."""
    result = try_export(spaceport, "--pipeline", "ingestion", "-o", "one.json")

    assert "Wrote one.json: 1 pipeline, " in result.stderr


def test_both_commands_write_the_same(spaceport, kedro, run_command, try_export):
    """With Kedro's command line or without it, the bytes are the same."""
    run_command([kedro, "pipes", "export", "-o", "a.json"], spaceport)
    try_export(spaceport, "-o", "b.json")

    assert (spaceport / "a.json").read_bytes() == (spaceport / "b.json").read_bytes()


def test_stdout_holds_the_manifest_and_nothing_else(spaceport, try_export):
    """What Kedro logs and what modules print when they are imported goes to stderr."""
    registry = spaceport / "src/spaceport/pipeline_registry.py"
    noise = 'import os\nprint("printed noise")\nos.system("echo noise from a process")\n'
    registry.write_text(registry.read_text() + noise)

    result = try_export(spaceport, "-o", "-")

    assert 10 == len(json.loads(result.stdout)["nodes"])
    assert "printed noise" in result.stderr
    assert "noise from a process" in result.stderr


def test_help_teaches(spaceport, kedro, run_command):
    """The help has every option and examples to copy."""
    text = run_command([kedro, "pipes", "export", "--help"], spaceport).stdout

    for option in ("--env", "--conf-source", "--params", "--pipeline", "--no-parameter-values"):
        assert option in text
    assert "kedro pipes export --env prod" in text
    assert "python -m kedro_pipes export --package" in text


def test_group_help_lists_the_command(spaceport, kedro, run_command):
    """`kedro pipes` says what it is for."""
    text = run_command([kedro, "pipes", "--help"], spaceport).stdout

    assert "export" in text
    assert "Dagster" in text


def test_import_failure_shows_the_projects_traceback_then_one_line(spaceport, try_export):
    """The traceback leads to the user's line; the last line says what to do."""
    module = spaceport / "src/spaceport/pipelines/reporting.py"
    module.write_text("import library_that_is_not_here\n")

    result = try_export(spaceport)
    last = result.stderr.splitlines()[-1]

    assert result.returncode == 1
    assert 'spaceport/pipelines/reporting.py", line 1' in result.stderr
    assert "No module named 'library_that_is_not_here'" in last
    assert "Install what is missing" in last
    assert not (spaceport / "manifest.json").exists()


def test_broken_settings_are_told_the_same_way(spaceport, try_export):
    """Settings that cannot be imported are the project's failure too."""
    (spaceport / "src/spaceport/settings.py").write_text("1 / 0\n")

    result = try_export(spaceport)

    assert result.returncode == 1
    assert "ZeroDivisionError" in result.stderr
    assert "Cannot load" in result.stderr.splitlines()[-1]


def test_exit_code_is_kept_by_kedros_command_line(spaceport, kedro, run_command):
    """Under `kedro` a failed export fails as well."""
    (spaceport / "src/spaceport/pipelines/reporting.py").write_text("1 / 0\n")

    assert 1 == run_command([kedro, "pipes", "export"], spaceport).returncode


def test_unknown_pipeline_is_refused_with_suggestions(spaceport, try_export):
    """A misspelt pipeline names its neighbours, in one line and without a traceback."""
    result = try_export(spaceport, "--pipeline", "trainng")

    assert result.returncode == 1
    assert "Choose from 'training'" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_same_name_for_different_nodes_is_refused(spaceport, try_export):
    """Two pipelines, two nodes, one name: the error names both pipelines and the cure."""
    registry = spaceport / "src/spaceport/pipeline_registry.py"
    registry.write_text(
        registry.read_text().replace(
            "    return {**parts",
            """    from kedro.pipeline import node, pipeline

    parts["again"] = pipeline([node(len, "summary", "length", name="join")])
    return {"__default__": parts["training"], **parts}
    return {**parts""",
        )
    )

    result = try_export(spaceport)
    cured = try_export(spaceport, "--pipeline", "again")

    assert result.returncode == 1
    assert (
        "Cannot export node 'join': pipelines 'again' and 'ingestion' each have a node of that "
        "name, with different function, inputs, outputs" in result.stderr.splitlines()[-1]
    )
    assert "--pipeline NAME" in result.stderr.splitlines()[-1]
    assert cured.returncode == 0, cured.stderr


def test_same_node_with_other_tags_is_one_node(spaceport, export):
    """A pipeline may tag a node that another one has too: it is one node with both tags."""
    registry = spaceport / "src/spaceport/pipeline_registry.py"
    registry.write_text(
        registry.read_text().replace(
            "    return {**parts",
            """    from kedro.pipeline import pipeline

    parts["again"] = pipeline(parts["ingestion"], tags="again")
    return {**parts""",
        )
    )

    nodes = {each["name"]: each for each in export(spaceport)["nodes"]}

    assert ["again", "daily"] == nodes["join"]["tags"]


def test_two_writers_of_one_dataset_are_refused(spaceport, try_export):
    """What Dagster could not order is refused where it can be repaired."""
    registry = spaceport / "src/spaceport/pipeline_registry.py"
    registry.write_text(
        registry.read_text().replace(
            "    return {**parts",
            """    from kedro.pipeline import node, pipeline

    other = pipeline([node(len, "companies", "summary", name="other")])
    return {"other": other, **parts}
    return {**parts""",
        )
    )

    result = try_export(spaceport)

    assert result.returncode == 1
    assert "'summary' is written by both" in result.stderr.splitlines()[-1]


def test_missing_catalog_names_the_place_and_the_option(spaceport, try_export):
    """Configuration that cannot be read is one line with the folder and `--conf-source`."""
    (spaceport / "conf/base/catalog.yml").unlink()

    result = try_export(spaceport)

    assert result.returncode == 1
    assert "Cannot read the catalog" in result.stderr.splitlines()[-1]
    assert "--conf-source" in result.stderr.splitlines()[-1]


@pytest.mark.newest
def test_a_project_of_another_environment_is_named(spaceport, try_export):
    """An environment that does not exist is told with its path."""
    result = try_export(spaceport, "--env", "nowhere")

    assert result.returncode == 1
    assert "nowhere" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("params", ["novalue", "=1"])
def test_malformed_params_are_refused_by_kedros_own_parser(spaceport, try_export, params):
    """`--params` follows Kedro's syntax, and fails as it does there."""
    result = try_export(spaceport, "--params", params)

    assert result.returncode == 2
    assert "Invalid format" in result.stderr


def test_no_project_here(tmp_path, try_export):
    """Outside a project the error says where to go, and how packaged projects are named."""
    result = try_export(tmp_path)

    assert result.returncode == 1
    assert "Cannot find a Kedro project" in result.stderr.splitlines()[-1]
    assert "--package NAME" in result.stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def packaged(tmp_path_factory) -> Path:
    """The project as `kedro package` ships it: an installed wheel and an archive of conf."""
    folder = tmp_path_factory.mktemp("packaged")
    source = Path(__file__).parents[1] / "projects/spaceport"
    project = folder / "source"
    shutil.copytree(source, project, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    kedro = Path(sys.executable).with_name("kedro")
    for command, place in (
        ([kedro, "package"], project),
        (
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"),
                *("--target", folder / "site", "--find-links", project / "dist", "spaceport"),
            ],
            folder,
        ),
    ):
        result = subprocess.run(
            command, cwd=place, capture_output=True, text=True, timeout=300, check=False
        )
        assert result.returncode == 0, result.stdout + result.stderr
    shutil.copy(project / "dist/conf-spaceport.tar.gz", folder)
    shutil.copytree(project / "conf", folder / "conf")
    shutil.rmtree(project)
    return folder


@pytest.mark.newest
@pytest.mark.slow
@pytest.mark.parametrize("conf_source", ["conf", "conf-spaceport.tar.gz"])
def test_packaged_project(packaged, tmp_path, export, conf_source):
    """An installed project is exported where its source is not, from a folder or an archive."""
    manifest = export(
        tmp_path,
        *("--package", "spaceport", "--conf-source", str(packaged / conf_source), "-e", "cloud"),
        PYTHONPATH=str(packaged / "site"),
    )

    assert ("spaceport", "spaceport") == (
        manifest["project"]["name"],
        manifest["project"]["package_name"],
    )
    assert 10 == len(manifest["nodes"])
    assert {None} == {each["source"] for each in manifest["nodes"]}
    assert None not in {each["source_hash"] for each in manifest["nodes"]}
    assert 8 == manifest["orchestration"]["concurrency"]["max_concurrent"]


@pytest.mark.newest
@pytest.mark.slow
def test_packaged_project_without_configuration(packaged, tmp_path, try_export):
    """A packaged project brings no configuration: the error names `--conf-source`."""
    result = try_export(tmp_path, "--package", "spaceport", PYTHONPATH=str(packaged / "site"))

    assert result.returncode == 1
    assert "--conf-source" in result.stderr.splitlines()[-1]


def test_package_that_is_not_installed(tmp_path, try_export):
    """A package that cannot be imported is named."""
    result = try_export(tmp_path, "--package", "spaceprot")

    assert result.returncode == 1
    assert "No module named 'spaceprot'" in result.stderr.splitlines()[-1]
