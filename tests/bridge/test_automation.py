"""A file that other people put under a free input of a real project."""

import dagster as dg
import pytest
from dagster_kedro import build_definitions

DAGSTER_YML = """\
sensors:
  middle_arrives:
    type: files
    dataset: middle
    job: scaling
assets:
  after:
    automation: eager
"""


@pytest.fixture
def project(copy_of, export):
    """`scaling` reads `middle`, which no node writes."""
    folder = copy_of("relay")
    (folder / "conf/base/dagster.yml").write_text(DAGSTER_YML)
    export(folder)
    return folder


def test_a_file_is_observed_and_launches_a_run(project, open_project, run_definitions, read_json):
    """Its sensor launches the job, its observation asks for the asset that depends on it."""
    definitions = build_definitions(open_project(project))
    repository = definitions.get_repository_def()
    instance = dg.DagsterInstance.ephemeral()
    sensor = repository.get_sensor_def("middle_arrives")
    (project / "data").mkdir(exist_ok=True)
    tick = asked = None

    def requested() -> int:
        nonlocal asked
        asked = dg.evaluate_automation_conditions(
            defs=definitions, instance=instance, cursor=asked and asked.cursor
        )
        return asked.get_num_requested(dg.AssetKey("after"))

    # Conditions count from when the daemon first looks at them.
    assert 0 == requested()
    for value in (7, 11):
        (project / "data/middle.json").write_text(str(value))
        assert run_definitions(definitions, "observe_inputs", instance=instance).success
        assert 1 == requested()

        tick = sensor.evaluate_tick(
            dg.build_sensor_context(repository_def=repository, cursor=tick and tick.cursor)
        )
        (request,) = tick.run_requests
        assert str(project / "data/middle.json") == request.tags["kedro/file"]
        run = run_definitions(
            definitions, "scaling", instance=instance, run_config=request.run_config
        )
        assert run.success, run.errors
        assert 2 * value == read_json(project, "after")
        assert 0 == requested()
