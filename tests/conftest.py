"""What all tests share: the other side's interpreter, the test project, and no silent skips."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
from pathlib import Path

# Its plugin imports it when all tests are done, which Python 3.11 may refuse then: parsing fails where
# the garbage that is collected meanwhile makes code parse as well ("recursion depth mismatch").
import hypothesis  # noqa: F401
import pytest

REPOSITORY = Path(__file__).parents[1]
NEUTRAL = {"dagster-pipes"}
"""Has no dependencies and is the worker's half of the protocol."""
FOREIGN = {
    "kedro_side": "dagster",
    "manifest": "kedro",
    "orchestrator": "kedro",
    "bridge": "kedro",
    "boundaries": "kedro",
    "documentation": "kedro",
}
"""The framework that must not be installed where a folder's tests run."""


def installed_of(framework: str) -> list[str]:
    """Distributions of a framework in this environment; our own and neutral ones are allowed."""
    names = {each.metadata["Name"].lower() for each in importlib.metadata.distributions()}
    allowed = NEUTRAL | {"kedro-dagster-pipes"}
    return sorted(name for name in names - allowed if name.split("-")[0] == framework)


def pytest_collection_modifyitems(items):
    """Refuse to test a side where the other framework is installed: it would prove nothing."""
    for folder in sorted({item.path.relative_to(REPOSITORY / "tests").parts[0] for item in items}):
        found = installed_of(FOREIGN[folder]) if folder in FOREIGN else []
        if found:
            raise pytest.UsageError(
                f"tests/{folder} must run without {FOREIGN[folder]}, but this environment has "
                f"{', '.join(found)}. Make it again with `make clean environments`."
            )


def pytest_addoption(parser):
    parser.addoption(
        "--kedro-python",
        type=Path,
        default=REPOSITORY / ".venv/kedro/bin/python",
        help="Interpreter of the environment that has Kedro and no Dagster.",
    )
    parser.addoption(
        "--k8s",
        action="store_true",
        help="Test pods on the cluster of KUBECONFIG instead of the double.",
    )
    parser.addoption(
        "--helm-python",
        type=Path,
        default=REPOSITORY / ".venv/helm/bin/python",
        help="Interpreter of the environment that has Helm's library.",
    )


def pytest_configure(config):
    """Let modules that are loaded by path know of the cluster too."""
    if config.getoption("--k8s"):
        os.environ["TESTS_ON_CLUSTER"] = "1"


def pytest_make_parametrize_id(val):
    """Name settings and sets by what they hold, alike in each of the processes that collect tests."""
    if isinstance(val, (set, frozenset)):
        return f"{{{', '.join(sorted(map(str, val)))}}}"
    return str(val) if isinstance(val, dict) else None


@pytest.fixture(scope="session")
def kedro_python(request) -> Path:
    """Interpreter of the Kedro environment; without it nothing of the bridge can be tested."""
    path = request.config.getoption("--kedro-python").absolute()
    if not path.is_file():
        pytest.skip(f"no Kedro environment at {path}: make it with `make environments`")
    return path


@pytest.fixture
def copied(tmp_path):
    """Copy a project of tests/projects, to be run and changed at will."""

    def copied_project(name: str) -> Path:
        ignored = shutil.ignore_patterns("__pycache__", "dist", "build", "*.egg-info")
        project = tmp_path / name
        shutil.copytree(REPOSITORY / "tests/projects" / name, project, ignore=ignored)
        (project / "conf/local").mkdir(exist_ok=True)
        declare_kedro_version(project)
        return project

    return copied_project


@pytest.fixture
def spaceport(copied) -> Path:
    """A copy of the test project, to be run and changed at will."""
    return copied("spaceport")


def declare_kedro_version(project: Path) -> None:
    """Let a project be of the Kedro that is installed: Kedro refuses another major version."""
    if installed_of("kedro"):
        declared = (project / "pyproject.toml").read_text()
        ours = f'kedro_init_version = "{importlib.metadata.version("kedro")}"'
        changed = re.sub(r'kedro_init_version = ".*"', ours, declared)
        (project / "pyproject.toml").write_text(changed)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    """Turn every skip into a failure where TESTS_MUST_NOT_SKIP=1: nothing may go untested."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("TESTS_MUST_NOT_SKIP") == "1":
        # An expected failure is reported as a skip too; it has run.
        if hasattr(report, "wasxfail"):
            return
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"TESTS_MUST_NOT_SKIP=1, and this test was not run: {reason}"


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    """The same for modules that skip themselves when they are collected."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("TESTS_MUST_NOT_SKIP") == "1":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"TESTS_MUST_NOT_SKIP=1, and {collector.nodeid} skipped: {reason}"
