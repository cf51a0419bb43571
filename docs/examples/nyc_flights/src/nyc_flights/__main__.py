"""Run the packaged project: `python -m nyc_flights`."""

import sys
from pathlib import Path

from kedro.framework.cli.utils import find_run_command
from kedro.framework.project import configure_project


def main() -> None:
    """Hand the command line over to `kedro run`."""
    package_name = Path(__file__).parent.name
    configure_project(package_name)
    sys.exit(find_run_command(package_name)())


if __name__ == "__main__":
    main()
