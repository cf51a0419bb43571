"""`composed`, installed as a package: no source directory, only its configuration."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from dagster_kedro import KedroSubprocessClient

OUTPUTS = ["merged.json", "largest.json", "report.txt", "by1/described.txt", "by2/described.txt"]


@pytest.fixture(scope="module")
def site(copy_project, tmp_path_factory) -> Path:
    """A place where the project's package lies as pip puts it."""
    place = tmp_path_factory.mktemp("site")
    shutil.copytree(copy_project("composed") / "src/composed", place / "composed")
    return place


@pytest.fixture(scope="module")
def deploy(site, copy_project, kedro_python, tmp_path_factory):
    """Make a directory with the configuration only, and call a module of the package in it."""

    def in_new_directory(*arguments: str) -> Path:
        folder = tmp_path_factory.mktemp("deployed")
        shutil.copytree(copy_project("composed") / "conf", folder / "conf")
        environment = {**os.environ, "PYTHONPATH": str(site), "KEDRO_DISABLE_TELEMETRY": "1"}
        command = [kedro_python, "-m", *arguments, "--conf-source", "conf"]
        subprocess.run(command, cwd=folder, env=environment, check=True, timeout=60)
        return folder

    return in_new_directory


@pytest.mark.parametrize(
    "env", ["pipeline", pytest.param("staged_pipeline", marks=pytest.mark.slow)]
)
def test_outputs_are_equal(site, deploy, run_job, env):
    """A job of the installed package writes what `python -m composed` writes."""
    by_package = deploy("composed")
    by_dagster = deploy("kedro_pipes", "export", "--package", "composed", "--env", env)
    run = run_job(
        by_dagster,
        "__default__",
        client=KedroSubprocessClient(env={"PYTHONPATH": str(site)}),
        project_options={"conf_source": "conf", "env": env},
    )

    assert run.success, run.errors
    expected, actual = (
        [(folder / "data" / name).read_text() for name in OUTPUTS]
        for folder in (by_package, by_dagster)
    )
    assert expected == actual
