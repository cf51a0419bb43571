"""Run the packaged project, as Kedro's own template has it."""

from pathlib import Path

from kedro.framework.cli.utils import find_run_command
from kedro.framework.project import configure_project

PACKAGE = Path(__file__).parent.name

if __name__ == "__main__":
    configure_project(PACKAGE)
    find_run_command(PACKAGE)()
