"""Real Kedro projects, exported by the Kedro environment and run by Dagster in this one."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster_kedro import KedroPipesResource, KedroProject, KedroSubprocessClient, build_definitions
from kedro_manifest.invocation import Invocation, encode_invocation

REPOSITORY = Path(__file__).parents[2]
IGNORED = shutil.ignore_patterns("__pycache__", "data", ".kedro-pipes", "manifest.json", ".env")

DEFINITIONS = """\
from pathlib import Path

from dagster_kedro import KedroProject, build_definitions

project = KedroProject(Path(__file__).parent, python={python!r}, env={env!r})
defs = build_definitions(project)
"""


class FinishedRun:
    """A Dagster run that is over, as its event log tells it."""

    def __init__(self, result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> None:
        self.success = result.success
        self.entries = instance.all_logs(result.run_id)
        events = [entry.dagster_event for entry in self.entries if entry.dagster_event]
        self.materializations = {
            event.asset_key.to_user_string(): {
                name: value.value for name, value in event.materialization.metadata.items()
            }
            for event in events
            if event.is_step_materialization
        }
        self.materialized = [
            event.asset_key.to_user_string() for event in events if event.is_step_materialization
        ]
        self.checks = {
            event.event_specific_data.check_name: event.event_specific_data.passed
            for event in events
            if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
        }
        self.results = [
            event.step_output_data.output_name for event in events if event.is_successful_output
        ]
        self.errors = [
            event.step_failure_data.error.to_string() for event in events if event.is_step_failure
        ]
        self.process_ids = {
            metadata["kedro/node"]: metadata["kedro/process_id"]
            for metadata in self.materializations.values()
            if "kedro/process_id" in metadata
        }

    @property
    def error(self) -> str:
        """The one step failure, with its causes."""
        (error,) = self.errors
        return error

    @property
    def logged(self) -> list[tuple[str, str]]:
        """Level and text of every line that was logged by the step."""
        return [
            (logging.getLevelName(entry.level), entry.user_message)
            for entry in self.entries
            if entry.dagster_event is None
        ]


@pytest.fixture(scope="session")
def export(kedro_python):
    """Write a project's manifest with the Kedro environment's interpreter."""

    def export_project(folder: Path, *options: str) -> None:
        subprocess.run(
            [kedro_python, "-m", "kedro_pipes", "export", *options], cwd=folder, check=True
        )

    return export_project


@pytest.fixture(scope="session")
def kedro_version(kedro_python) -> str:
    """Version of Kedro in its environment."""
    command = [
        kedro_python,
        "-c",
        "from importlib.metadata import version; print(version('kedro'))",
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="session")
def exported(tmp_path_factory, export, kedro_version):
    """Return a folder with a project of tests/projects in it, exported once a session."""
    folders: dict[str, Path] = {}

    def exported_project(name: str) -> Path:
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp("exported") / name
            copy_project(REPOSITORY / "tests/projects" / name, folders[name])
            declare_kedro_version(folders[name], kedro_version)
            export(folders[name])
        return folders[name]

    return exported_project


@pytest.fixture(scope="session")
def copy_of(exported, tmp_path_factory):
    """Make a fresh copy of a project of tests/projects, manifest included."""

    def copied_project(name: str) -> Path:
        folder = tmp_path_factory.mktemp("project") / name
        shutil.copytree(exported(name), folder)
        return folder

    return copied_project


@pytest.fixture(scope="session")
def open_project(kedro_python):
    """Open a project's folder with the Kedro environment's interpreter."""

    def opened_project(folder: Path, **options) -> KedroProject:
        return KedroProject(folder, python=kedro_python, **options)

    return opened_project


@pytest.fixture(scope="session")
def run_job(open_project):
    """Run a job of the project in a folder, through the subprocess client."""

    def run(folder: Path, job: str, *, select=None, instance=None, run_config=None, **options):
        options.setdefault("client", KedroSubprocessClient())
        project_options = options.pop("project_options", {})
        definitions = build_definitions(
            open_project(folder, **project_options), resource=KedroPipesResource(**options)
        )
        return execute(
            definitions, job, select=select, instance=instance, run_config=run_config or {}
        )

    return run


@pytest.fixture(scope="session")
def run_definitions():
    """Run a job of any definitions."""
    return execute


@pytest.fixture(scope="session")
def finished_run():
    """Read a run that was executed elsewhere."""
    return FinishedRun


@pytest.fixture(scope="session")
def ssh_hosts():
    """Return hosts with SSH servers, which are made when they are asked for."""
    name = "bridge_ssh_hosts"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, Path(__file__).with_name("ssh_hosts.py")
        )
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    module = sys.modules[name]
    if reason := module.missing():
        pytest.skip(reason)
    return module.hosts()


@pytest.fixture
def begin():
    """What a worker is asked to do to run the first node of the project `relay`."""
    return Invocation(
        group="begin",
        nodes=["begin"],
        pipelines=["streaming"],
        kedro_run_id="2026-11-01T00.00.00.000Z",
        dagster_run_id="not needed",
        package_name="relay",
        dataset_assets={"early": "early"},
    )


@pytest.fixture
def run_with_stock_client(copy_of, kedro_python, run_definitions):
    """Run an invocation with `PipesSubprocessClient`, as an asset that a user might write."""

    def run(invocation: Invocation, **options) -> FinishedRun:
        folder = copy_of("relay")

        @dg.asset
        def early(context):
            return (
                dg.PipesSubprocessClient(cwd=str(folder), **options)
                .run(
                    command=[str(kedro_python), "-m", "kedro_pipes"],
                    context=context,
                    extras=encode_invocation(invocation),
                )
                .get_results()
            )

        definitions = dg.Definitions(assets=[early], jobs=[dg.define_asset_job("stock")])
        return run_definitions(definitions, "stock")

    return run


@pytest.fixture
def read_json():
    """Read a JSON file of a project."""
    return lambda folder, name: json.loads((folder / "data" / f"{name}.json").read_text())


@pytest.fixture(scope="session")
def write_definitions():
    """Write a plain `definitions.py` beside a project, as in the README."""

    def write(folder: Path, python: Path, env: str | None = None) -> None:
        (folder / "definitions.py").write_text(DEFINITIONS.format(python=str(python), env=env))

    return write


@pytest.fixture
def dagster_command(tmp_path):
    """Run one of Dagster's own commands, with an instance of its own."""
    home = tmp_path / "dagster-home"
    home.mkdir()

    def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("dagster"), *arguments],
            cwd=folder,
            env={**os.environ, "DAGSTER_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    run.home = home
    return run


def execute(definitions, job, *, select=None, instance=None, run_config=None) -> FinishedRun:
    """Run a job in this process and return what its event log tells."""
    instance = instance or dg.DagsterInstance.ephemeral()
    result = definitions.resolve_job_def(job).execute_in_process(
        instance=instance,
        raise_on_error=False,
        asset_selection=[dg.AssetKey.from_user_string(key) for key in select] if select else None,
        run_config=run_config or {},
    )
    return FinishedRun(result, instance)


def declare_kedro_version(folder: Path, version: str) -> None:
    """Let a project be of the Kedro that is there: Kedro refuses another major version."""
    declared = (folder / "pyproject.toml").read_text()
    changed = re.sub(r'kedro_init_version = ".*"', f'kedro_init_version = "{version}"', declared)
    (folder / "pyproject.toml").write_text(changed)


def copy_project(source: Path, target: Path) -> None:
    """Copy what a user would have under version control, and the raw data."""
    shutil.copytree(source, target, ignore=IGNORED)
    if (source / "data/01_raw").is_dir():
        shutil.copytree(source / "data/01_raw", target / "data/01_raw")
    (target / "conf/local").mkdir(exist_ok=True)
