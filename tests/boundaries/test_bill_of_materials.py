"""`make sbom` lists what is installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def components(tmp_path):
    """What the bill of an environment lists, by name."""
    python = ROOT / ".venv/sbom/bin/python"
    if not python.is_file():
        pytest.skip("no CycloneDX tool: make it with `make .venv/sbom/.ready`")

    def listed(environment: Path) -> dict[str, dict]:
        command = [python, ROOT / "tools/sbom.py", "--environment", environment]
        subprocess.run([*command, "--folder", tmp_path], check=True)
        bill = json.loads((tmp_path / f"{environment.name}.json").read_text())
        return {component["name"]: component for component in bill["components"]}

    return listed


def test_the_environments(components, kedro_python):
    """Each side's bill has our package with its licence, its own framework, and not the other's."""
    kedro = components(kedro_python.parents[1])
    dagster = components(Path(sys.prefix))

    assert {"kedro-dagster-pipes", "kedro", "dagster-pipes", "msgspec"} <= kedro.keys()
    assert {"kedro-dagster-pipes", "dagster", "dagster-pipes", "msgspec"} <= dagster.keys()
    assert "dagster" not in kedro
    assert "kedro" not in dagster
    (licence,) = kedro["kedro-dagster-pipes"]["licenses"]
    assert "Apache-2.0" == licence["license"]["id"]
