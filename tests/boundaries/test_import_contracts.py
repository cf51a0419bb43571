"""The import contracts hold, and would be seen to be broken."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
ROOTS = {
    "kedro_manifest": "kedro_side",
    "kedro_pipes": "kedro_side",
    "dagster_kedro": "orchestrator",
}

INDEPENDENT = "The two sides never import each other"
NEUTRAL = "The manifest knows neither side nor framework"
NO_KEDRO = "The Dagster side never imports Kedro"
ONE_ENGINE = "One module knows docker, one kubernetes"
NO_DAGSTER = "The Kedro side never imports Dagster"


@pytest.fixture
def sources(tmp_path) -> Path:
    """A copy of both source roots and of the contracts, to plant violations in."""
    for root in sorted(set(ROOTS.values())):
        shutil.copytree(
            REPOSITORY / root, tmp_path / root, ignore=shutil.ignore_patterns("__pycache__")
        )
        for package in (tmp_path / root).iterdir():
            if package.is_dir():
                (package / "__init__.py").touch()
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(folder / root) for root in sorted(set(ROOTS.values())))
    return subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_contracts_hold(sources):
    """No module imports what its side must not know."""
    result = lint_imports(sources)

    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout


@pytest.mark.parametrize(
    ("package", "statement", "contract"),
    [
        ("dagster_kedro", "import kedro", NO_KEDRO),
        ("dagster_kedro", "from kedro.io import DataCatalog", NO_KEDRO),
        ("dagster_kedro", "import kedro_datasets", NO_KEDRO),
        ("dagster_kedro", "import kedro_pipes", INDEPENDENT),
        ("dagster_kedro", "import docker", ONE_ENGINE),
        ("dagster_kedro", "from kubernetes import client", ONE_ENGINE),
        ("kedro_pipes", "import dagster", NO_DAGSTER),
        ("kedro_pipes", "def late():\n    from dagster import asset\n    return asset", NO_DAGSTER),
        ("kedro_pipes", "import dagster_shared", NO_DAGSTER),
        ("kedro_pipes", "import dagster_kedro", INDEPENDENT),
        ("kedro_manifest", "import kedro_pipes", NEUTRAL),
        ("kedro_manifest", "import dagster_kedro", NEUTRAL),
        ("kedro_manifest", "import kedro", NEUTRAL),
        ("kedro_manifest", "import dagster", NEUTRAL),
        ("kedro_manifest", "import dagster_pipes", NEUTRAL),
    ],
)
def test_a_planted_violation_is_found(sources, package, statement, contract):
    """An import across a boundary, even inside a function, breaks its contract."""
    planted = sources / ROOTS[package] / package / "planted.py"
    planted.write_text(f"{statement}\n")

    result = lint_imports(sources)

    assert result.returncode == 1, result.stdout + result.stderr
    assert f"{contract} BROKEN" in result.stdout
    assert f"{package}.planted" in result.stdout


def test_this_environment_has_no_kedro():
    """What passes here passes without Kedro: it is not installed, nor any of its parts."""
    names = {each.metadata["Name"].lower() for each in importlib.metadata.distributions()}

    assert not {name for name in names if name.startswith("kedro")} - {"kedro-dagster-pipes"}


def test_the_kedro_environment_has_no_dagster(kedro_python):
    """Workers run without Dagster; only dagster-pipes, which depends on nothing, is there."""
    code = "import importlib.metadata as m; print(*{d.metadata['Name'] for d in m.distributions()})"
    listed = subprocess.run(
        [str(kedro_python), "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()

    assert {"dagster-pipes"} == {name for name in listed if name.startswith("dagster")}


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("kedro_manifest.codec", ("kedro", "dagster", "dagster_pipes")),
        ("kedro_manifest.planning.plan", ("kedro", "dagster", "dagster_pipes")),
    ],
)
def test_the_neutral_package_loads_no_framework(module, forbidden):
    """At run time as well: importing the contract loads neither framework."""
    code = f"import sys, {module}; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()

    assert not set(forbidden) & set(loaded)
