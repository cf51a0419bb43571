"""When `KedroProject` exports, asked in one process with `dagster dev`'s own variable set."""

import os
import shutil
import subprocess

import pytest
from dagster_kedro import KedroProject
from dagster_kedro.errors import ProjectError


@pytest.fixture
def under_dev(monkeypatch):
    """The environment of `dagster dev`, put back afterwards."""
    before = dict(os.environ)
    monkeypatch.setenv("DAGSTER_IS_DEV_CLI", "1")
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def fresh(exported, tmp_path, kedro_python):
    """Load the manifest as a new process would that inherits nothing."""
    folder = tmp_path / "relay"
    shutil.copytree(exported("relay"), folder)

    def manifest(**options):
        project = KedroProject(folder, **{"python": kedro_python, **options})
        os.environ.pop(project.inherited_variable, None)
        return project.manifest

    manifest.folder = folder
    return manifest


def pipelines(manifest):
    return {pipeline.name for pipeline in manifest.pipelines}


def rename_pipeline(folder):
    registry = folder / "src/relay/pipeline_registry.py"
    registry.write_text(registry.read_text().replace('"memory": ', '"remembered": '))


@pytest.mark.usefixtures("under_dev")
def test_exports_what_changed(fresh):
    """A changed source is seen."""
    assert "memory" in pipelines(fresh())
    rename_pipeline(fresh.folder)

    assert "remembered" in pipelines(fresh())


@pytest.mark.usefixtures("under_dev")
def test_git_sees_nothing_of_the_copies(fresh):
    """Whose `.gitignore` knows nothing of us, commits no copies of manifests."""
    (fresh.folder / ".gitignore").unlink()
    subprocess.run(["git", "init", "-q", fresh.folder], check=True)
    fresh()

    status = ["git", "status", "--porcelain", "--untracked-files=all"]
    told = subprocess.run(status, cwd=fresh.folder, capture_output=True, text=True, check=True)
    assert ".kedro-pipes" not in told.stdout
    assert list((fresh.folder / ".kedro-pipes").glob("manifest.*.json"))


@pytest.mark.usefixtures("under_dev")
def test_configuration_counts(fresh):
    """A changed parameter is seen."""
    fresh()
    (fresh.folder / "conf/base/parameters.yml").write_text("factor: 5\n")

    (factor,) = [each for each in fresh().parameters if each.name == "factor"]
    assert factor.value == 5


@pytest.mark.usefixtures("under_dev")
def test_keeps_what_is_unchanged(fresh, kedro_python):
    """Without a change nothing is exported, so the interpreter is not called."""
    interpreter = fresh.folder.parent / "python"
    calls = fresh.folder.parent / "calls"
    interpreter.write_text(f'#!/bin/sh\necho "$@" >> {calls}\nexec {kedro_python} "$@"\n')
    interpreter.chmod(0o755)

    first = fresh(python=interpreter)
    second = fresh(python=interpreter)
    assert first == second
    assert len(calls.read_text().splitlines()) == 1


def test_not_in_production(fresh):
    """Outside `dagster dev` the manifest is taken as it is, whatever changed."""
    rename_pipeline(fresh.folder)

    assert "memory" in pipelines(fresh())


@pytest.mark.usefixtures("under_dev")
def test_a_later_export_changes_nothing(fresh, kedro_python):
    """A process of a run keeps the manifest that the UI showed, though it is exported again."""
    project = KedroProject(fresh.folder, python=kedro_python)
    shown = project.manifest
    rename_pipeline(fresh.folder)
    project.prepare()

    assert pipelines(KedroProject(fresh.folder, python=kedro_python).manifest) == pipelines(shown)


@pytest.mark.usefixtures("under_dev")
def test_the_projects_own_error(fresh):
    """A project that cannot be imported fails with its own traceback and one line of advice."""
    (fresh.folder / "src/relay/pipeline_registry.py").write_text("import no_such_module\n")

    with pytest.raises(ProjectError) as raised:
        fresh()
    assert "exit code 1" in str(raised.value)
    assert "ModuleNotFoundError: No module named 'no_such_module'" in str(raised.value)


@pytest.mark.usefixtures("under_dev")
def test_two_environments_of_one_project(fresh):
    """Both write the same file: what the other one wrote is not taken for one's own."""
    (fresh.folder / "conf/half").mkdir()
    (fresh.folder / "conf/half/parameters.yml").write_text("factor: 0.5\n")
    fresh()
    fresh(env="half")

    factors = [
        parameter.value
        for manifest in (fresh(), fresh(env="half"))
        for parameter in manifest.parameters
        if parameter.name == "factor"
    ]
    assert [2, 0.5] == factors
