"""The same project run by `kedro run` and under Dagster, and all that either has written."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PROJECTS = Path(__file__).parents[2] / "projects"
VERSION = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z")
"""A version as Kedro spells it; two runs cannot have the same."""
GENERATED = shutil.ignore_patterns("__pycache__", ".kedro-pipes", "manifest.json")
SILENT = {"KEDRO_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}


class Both(NamedTuple):
    """Two copies of a project, after `kedro run` in one and a job in the other."""

    by_kedro: Path
    by_dagster: Path
    run: Any

    @property
    def groups(self) -> list[set[str]]:
        """The nodes that shared a process, by what the run's log tells."""
        return groups_of(self.run)

    @property
    def staged(self) -> list[Path]:
        """What is left of staged data."""
        return staging_folders(self.by_dagster)

    def assert_equal(self) -> None:
        """Every file of data is there in both, and equal byte for byte."""
        expected, actual = data_of(self.by_kedro), data_of(self.by_dagster)
        assert expected, "kedro run has written nothing"
        assert expected.keys() == actual.keys()
        assert [] == [name for name in expected if expected[name] != actual[name]]


def data_of(folder: Path) -> dict[str, bytes]:
    """Return what is in each file of data, by its path; versions are all called alike."""
    return {
        VERSION.sub("<version>", str(file.relative_to(folder))): file.read_bytes()
        for file in sorted((folder / "data").rglob("*"))
        if file.is_file()
    }


def groups_of(run: Any) -> list[set[str]]:
    """Return the nodes of each process, by the `kedro/process_id` of what they saved."""
    by_process: dict[int, set[str]] = {}
    for node, process in run.process_ids.items():
        by_process.setdefault(process, set()).add(node)
    return sorted(by_process.values(), key=sorted)


def staging_folders(folder: Path) -> list[Path]:
    """Return what is left of staged data."""
    return sorted(folder.glob(".kedro-pipes/staging/*"))


@pytest.fixture(scope="session")
def staged_in() -> Callable[[Path], list[Path]]:
    """Find what is left of staged data in a folder."""
    return staging_folders


@pytest.fixture(scope="session")
def copy_project(tmp_path_factory) -> Callable[[str], Path]:
    """Copy a project of tests/projects, to be run and changed at will."""

    def copy(name: str) -> Path:
        folder = tmp_path_factory.mktemp("project") / name
        shutil.copytree(PROJECTS / name, folder, ignore=GENERATED)
        return folder

    return copy


@pytest.fixture(scope="session")
def kedro_run(kedro_python) -> Callable[..., None]:
    """Call `kedro run` in a folder."""

    def run(folder: Path, *options: str, code: int = 0, **environment: str) -> None:
        finished = subprocess.run(
            [kedro_python.with_name("kedro"), "run", *options],
            cwd=folder,
            env={**os.environ, **SILENT, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert code == finished.returncode, finished.stdout + finished.stderr

    return run


@pytest.fixture(scope="session")
def run_by_kedro(copy_project, kedro_run) -> Callable[..., Path]:
    """Run a project with `kedro run`, once a session for the same options."""
    folders: dict[tuple[str, ...], Path] = {}

    def run(name: str, *options: str) -> Path:
        wanted = (name, *options)
        if wanted not in folders:
            folder = copy_project(name)
            kedro_run(folder, *options)
            folders[wanted] = folder
        return folders[wanted]

    return run


@pytest.fixture(scope="session")
def run_both(run_by_kedro, copy_project, export, run_job) -> Callable[..., Both]:
    """Run a project both ways, every group of nodes in a process of its own.

    `env` is the environment of the run under Dagster, and `kedro_env` that of `kedro run`,
    where both read the same catalog and parameters. `dagster` is written to `dagster.yml`;
    `kedro_options` go to `kedro run`.
    """

    def run(
        name: str,
        pipeline: str = "__default__",
        *,
        env: str | None = None,
        kedro_env: str | None = None,
        dagster: dict[str, Any] | None = None,
        kedro_options: Sequence[str] = (),
        **options: Any,
    ) -> Both:
        chosen = [f"--pipelines={pipeline}"] if pipeline != "__default__" else []
        chosen += kedro_options
        by_kedro = run_by_kedro(name, *chosen, *([f"--env={kedro_env}"] if kedro_env else []))
        folder = copy_project(name)
        if dagster is not None:
            (folder / "conf/base/dagster.yml").write_text(json.dumps(dagster))
        export(folder, *(["--env", env] if env else []))
        finished = run_job(
            folder, options.pop("job", pipeline), project_options={"env": env}, **options
        )
        assert finished.success, finished.errors
        return Both(by_kedro, folder, finished)

    return run
