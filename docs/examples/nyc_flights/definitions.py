"""The Dagster side of the example. Needs Dagster and kedro-dagster-pipes, and no Kedro."""

from pathlib import Path

from dagster_kedro import KedroProject, build_definitions

here = Path(__file__).parent
project = KedroProject(here, python=here / "../../../.venv/kedro/bin/python")
defs = build_definitions(project)
