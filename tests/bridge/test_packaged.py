"""A packaged project: installed code, configuration beside it, and no source directory."""

import json
import os
import shutil
import subprocess

import pytest
from dagster_kedro import KedroSubprocessClient


@pytest.fixture(scope="module")
def installed(copy_of, tmp_path_factory):
    """A place where the project's package lies as pip puts it, and a directory to deploy in."""
    source = copy_of("relay")
    site, folder = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("deployed")
    shutil.copytree(source / "src/relay", site / "relay")
    shutil.copytree(source / "conf", folder / "conf")
    return site, folder


@pytest.fixture(scope="module")
def exported_package(installed, kedro_python):
    """The same, with the manifest that was exported from the installed package."""
    site, folder = installed
    subprocess.run(
        [
            kedro_python,
            "-m",
            "kedro_pipes",
            "export",
            "--package",
            "relay",
            "--conf-source",
            "conf",
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site)},
        check=True,
    )
    return site, folder


def test_runs(exported_package, run_job):
    """A job of a packaged project runs, and saves relative to the directory it is run in."""
    site, folder = exported_package
    client = KedroSubprocessClient(env={"PYTHONPATH": str(site)})
    run = run_job(folder, "memory", client=client, project_options={"conf_source": "conf"})

    assert run.success, run.errors
    assert json.loads((folder / "data/total.json").read_text()) == 12


def test_same_manifest(exported_package, exported):
    """The manifest says the same as that of the source, but for where the sources are."""
    _, folder = exported_package
    packaged, source = (
        json.loads((each / "manifest.json").read_text()) for each in (folder, exported("relay"))
    )

    assert packaged["pipelines"] == source["pipelines"]
    assert packaged["datasets"] == source["datasets"]
