"""Where `KedroProject` finds the manifest and the interpreter, without exporting anything."""

import os
import sys

import pytest
from dagster_kedro import KedroProject
from dagster_kedro.errors import ProjectError
from kedro_manifest.codec import write_manifest
from kedro_manifest.errors import ManifestReadError


@pytest.fixture
def under_dev(monkeypatch):
    """The environment of `dagster dev`, put back afterwards."""
    before = dict(os.environ)
    monkeypatch.setenv("DAGSTER_IS_DEV_CLI", "1")
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def environment(tmp_path):
    """A project with a virtual environment whose interpreter is a link, as they are."""
    interpreter = tmp_path / ".venv/bin/python"
    interpreter.parent.mkdir(parents=True)
    interpreter.symlink_to(sys.executable)
    return interpreter


def test_no_such_folder(tmp_path):
    """A missing project directory is named at once, with what to pass."""
    with pytest.raises(ProjectError, match=r"'.*/nowhere': expected a directory\. Pass the folder"):
        KedroProject(tmp_path / "nowhere")


def test_no_manifest(tmp_path):
    """A missing manifest is named, with the command that writes it."""
    with pytest.raises(ManifestReadError, match=r"manifest\.json': No such file.*kedro pipes exp"):
        KedroProject(tmp_path).manifest  # noqa: B018 - read when asked for


def test_manifest_elsewhere(tmp_path, manifest, node):
    """`manifest_path` names a manifest outside the project."""
    written = manifest(node("make", [], ["table"]))
    write_manifest(written, tmp_path / "build/shop.json")

    project = KedroProject(tmp_path, manifest_path=tmp_path / "build/shop.json")
    assert project.manifest.nodes == written.nodes


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no tomllib")
def test_manifest_of_another_project(project, node):
    """The manifest and the directory have to be of one package; both are named."""
    opened = project(node("train", ["raw"], ["model"]))
    declared = '[tool.kedro]\npackage_name = "relay"\nproject_name = "R"\n'
    (opened.project_dir / "pyproject.toml").write_text(declared)

    with pytest.raises(ProjectError, match=r"another project, 'Shop' .* 'shop', .* 'relay'"):
        _ = KedroProject(opened.project_dir).manifest


def test_default_interpreter(tmp_path, environment):
    """The project's own virtual environment is found, through its link."""
    assert KedroProject(tmp_path).python == environment


@pytest.mark.parametrize(("env", "expected"), [(None, "prod"), ("staging", "staging")])
def test_environment_of_the_process(tmp_path, monkeypatch, env, expected):
    """KEDRO_ENV holds for workers that do not inherit it, too, unless an environment is named."""
    monkeypatch.setenv("KEDRO_ENV", "prod")

    assert KedroProject(tmp_path, env=env).env == expected


def test_no_interpreter(tmp_path):
    """A project without a virtual environment has none; that alone is no error."""
    assert KedroProject(tmp_path).python is None


def test_link_is_kept(tmp_path, environment, monkeypatch):
    """A relative interpreter becomes absolute, but its link is not followed out of the venv."""
    monkeypatch.chdir(tmp_path)

    assert KedroProject(tmp_path, python=".venv/bin/python").python == environment


def test_home_is_expanded(tmp_path, monkeypatch):
    """`~` stands for the home directory."""
    monkeypatch.setenv("HOME", "/home/ada")

    assert str(KedroProject(tmp_path, python="~/kedro/bin/python").python) == (
        "/home/ada/kedro/bin/python"
    )


@pytest.mark.usefixtures("under_dev")
def test_inherited_manifest(tmp_path, manifest, node):
    """A process that inherits a manifest uses that one: it could not even export."""
    inherited = tmp_path / "shown.json"
    write_manifest(manifest(node("shown", [], ["table"])), inherited)
    write_manifest(manifest(node("newer", [], ["table"])), tmp_path / "manifest.json")
    project = KedroProject(tmp_path, python="/no/such/python")
    os.environ[project.inherited_variable] = str(inherited)

    assert [node.name for node in project.manifest.nodes] == ["shown"]


def test_two_projects_inherit_apart(tmp_path):
    """Projects, and environments of one project, inherit manifests of their own."""
    (tmp_path / "other").mkdir()
    variables = {
        KedroProject(tmp_path).inherited_variable,
        KedroProject(tmp_path, env="prod").inherited_variable,
        KedroProject(tmp_path / "other").inherited_variable,
    }

    assert len(variables) == 3
    assert all(name.isidentifier() and name.isupper() for name in variables)


@pytest.mark.usefixtures("under_dev")
def test_export_without_an_interpreter(tmp_path):
    """Under `dagster dev` a project without an interpreter is told what to pass."""
    with pytest.raises(ProjectError, match=r"it has no `\.venv`.*Pass `python="):
        KedroProject(tmp_path).manifest  # noqa: B018


@pytest.mark.usefixtures("under_dev")
def test_export_with_a_missing_interpreter(tmp_path):
    """An interpreter that does not exist is named."""
    with pytest.raises(ProjectError, match=r"with '/no/such/python': .*No such file"):
        KedroProject(tmp_path, python="/no/such/python").manifest  # noqa: B018


@pytest.mark.usefixtures("under_dev")
def test_export_in_the_wrong_environment(tmp_path):
    """An environment without Kedro says so and what to take, without a traceback."""
    project = KedroProject(tmp_path, python=sys.executable)

    with pytest.raises(ProjectError) as raised:
        project.manifest  # noqa: B018
    assert "-m kedro_pipes export" in str(raised.value)
    assert "exit code 1" in str(raised.value)
    assert "Kedro is not installed there. Name the interpreter of the project's" in str(
        raised.value
    )
    assert "Traceback" not in str(raised.value)


@pytest.mark.usefixtures("under_dev")
def test_export_without_the_kedro_side(tmp_path):
    """An environment without our package is told how to get it."""
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.base_prefix}/bin/python3 -I "$@"\n')
    bare.chmod(0o755)

    with pytest.raises(ProjectError) as raised:
        KedroProject(tmp_path, python=bare).manifest  # noqa: B018
    assert "No module named kedro_pipes" in str(raised.value)
    assert f"`{bare} -m pip install 'kedro-dagster-pipes[kedro]'`" in str(raised.value)
