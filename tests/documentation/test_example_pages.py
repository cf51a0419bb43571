"""Commands on the example, as the reference and the how-to pages show them with what they print."""

import os
import shutil
import subprocess
import sys

import pytest
from pages import REPOSITORY, Desk, read_blocks

PAGES = ["reference/cli.md", "how-to/group-nodes.md", "how-to/place-workers.md"]
WRITTEN = shutil.ignore_patterns("data", "definitions.py", "manifest.json", "__pycache__")
"""What a project does not have that Dagster has never seen."""

SILENT = "version: 1\ndisable_existing_loggers: false\nroot: {level: ERROR}\n"
"""The pages leave out what Kedro itself logs and warns of."""


@pytest.fixture
def desk(tmp_path, kedro_python):
    """A terminal in the example, which Dagster has not seen yet."""
    project = tmp_path / "docs/examples/nyc_flights"
    shutil.copytree(REPOSITORY / "docs/examples/nyc_flights", project, ignore=WRITTEN)
    (tmp_path / "logging.yml").write_text(SILENT)
    desk = Desk(
        project,
        PATH=f"{kedro_python.parent}{os.pathsep}{os.environ['PATH']}",
        PYTHONWARNINGS="ignore",
        DAGSTER_PYTHON=sys.executable,
        KEDRO_LOGGING_CONFIG=str(tmp_path / "logging.yml"),
    )
    yield desk
    desk.close()


@pytest.mark.parametrize("page", PAGES)
def test_page(page, desk):
    """Each command prints what the page shows, with the `dagster.yml` that the page shows before."""
    for block in read_blocks(REPOSITORY / "docs" / page):
        if block.language == "yaml":
            (desk.folder / "conf/base/dagster.yml").write_text(block.text)
        elif block.language == "console":
            desk.carry_out(block)
        elif block.language == "mermaid":
            assert block.text == f"{desk.printed.rstrip()}\n"


@pytest.mark.parametrize("page", ["reference/worker.md", "how-to/debug-a-worker.md"])
def test_by_hand(page, desk, kedro_python):
    """A worker runs a group without Dagster, once Kedro has made what the group reads."""
    run = [kedro_python, "-m", "kedro", "run", "--env=sample"]
    subprocess.run(run, cwd=desk.folder, check=True, capture_output=True)
    reference = desk.folder.parents[1] / "reference"
    reference.mkdir()
    shutil.copy(REPOSITORY / "docs/reference/invocation.example.json", reference)
    for block in read_blocks(REPOSITORY / "docs" / page):
        desk.carry_out(block)
