"""What tests/conftest.py promises: nothing is skipped in silence where that is asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
TESTS = """
import pytest

def test_runs(): ...

@pytest.mark.skip(reason="no cluster here")
def test_marked(): ...

def test_needs_kedro(kedro_python): ...

@pytest.mark.xfail(reason="known")
def test_known(): raise ValueError
"""


def run_pytest(folder: Path, **environment: str) -> str:
    (folder / "tests/manifest").mkdir(parents=True)
    shutil.copy(CONFTEST, folder / "tests")
    (folder / "tests/manifest/test_some.py").write_text(TESTS)
    (folder / "tests/manifest/test_module.py").write_text(
        "import pytest\npytest.importorskip('library_that_is_not_here')\n"
    )
    (folder / "pytest.ini").touch()
    variables = {**os.environ, **environment}
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--import-mode=importlib", "-rA"),
            *("--continue-on-collection-errors", "tests"),
        ],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    ).stdout


@pytest.fixture(autouse=True)
def _outer_setting(monkeypatch):
    monkeypatch.delenv("TESTS_MUST_NOT_SKIP", raising=False)


def test_skips_are_allowed_by_default(tmp_path):
    """On a developer's machine, what is missing is skipped with its reason."""
    out = run_pytest(tmp_path)

    assert "1 passed, 3 skipped, 1 xfailed" in out
    assert "make environments" in out


def test_skips_are_failures_where_that_is_asked_for(tmp_path):
    """In CI, every skip fails with the reason; what is expected to fail is no skip."""
    out = run_pytest(tmp_path, TESTS_MUST_NOT_SKIP="1")

    assert "skipped" not in out.splitlines()[-1]
    assert "this test was not run: Skipped: no cluster here" in out
    assert "make environments" in out
    assert "library_that_is_not_here" in out
