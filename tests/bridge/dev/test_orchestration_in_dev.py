"""The example under `dagster dev`: what `dagster.yml` asks for happens by itself.

One server with its daemon for all of it: a schedule, a sensor, a backfill and the Launchpad.
"""

import shutil
import subprocess
from pathlib import Path

import dagster as dg
import pytest
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

EXAMPLE = Path(__file__).parents[3] / "docs/examples/nyc_flights"
FLIGHTS = dg.AssetKey("flights")
MONTHS = [f"2013-{month:02}" for month in range(1, 13)]
ORCHESTRATION = {
    "jobs": {
        "keep_planes": {
            "pipeline": {"node_names": ["ingest_planes"]},
            "schedule": {"cron_schedule": "* * * * *", "default_status": "running"},
        },
        "sample_flights": {
            "pipeline": {"node_names": ["ingest_flights"]},
            "parameters": {"sampling": {"day_step": 100}},
        },
        "keep_weather": {"pipeline": {"node_names": ["ingest_weather"]}},
    },
    "sensors": {
        "new_reports": {
            "type": "files",
            "job": "keep_weather",
            "uri": "data/inbox/*.txt",
            "default_status": "running",
            "interval_s": 1,
        }
    },
}
"""What stands in the example's own file besides."""
BACKFILL = """mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}"""
BACKFILL_STATUS = """query($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } }
}"""


@pytest.fixture(scope="module")
def flights(tmp_path_factory, kedro_python, write_definitions):
    """The example's sample, made up to what is partitioned; with more in its `dagster.yml`."""
    folder = tmp_path_factory.mktemp("example") / "nyc_flights"
    ignored = shutil.ignore_patterns("data", "__pycache__", ".kedro-pipes", "manifest.json")
    shutil.copytree(EXAMPLE, folder, ignore=ignored)
    shutil.copytree(folder / "conf/sample", folder / "conf/dev")
    orchestration = yaml.safe_load((folder / "conf/monthly/dagster.yml").read_text())
    for room, entries in ORCHESTRATION.items():
        orchestration[room].update(entries)
    (folder / "conf/dev/dagster.yml").write_text(yaml.safe_dump(orchestration))
    kedro = [kedro_python.with_name("kedro"), "run", "--env=dev", "--to-nodes=join_planes"]
    subprocess.run(kedro, cwd=folder, check=True, capture_output=True)
    write_definitions(folder, kedro_python, env="dev")
    return folder


@pytest.fixture(scope="module")
def server(flights, dev_server):
    """A `dagster dev` with the example loaded."""
    with dev_server(flights) as dev:
        yield dev


@pytest.fixture(scope="module")
def instance(server):
    """The server's instance, to read what it has recorded."""
    (server.home / "dagster.yaml").touch()
    with dg.DagsterInstance.from_config(str(server.home)) as opened:
        yield opened


def rows_saved(instance) -> int:
    """Rows of the sampled flights, as the newest run has told."""
    event = instance.get_latest_materialization_event(FLIGHTS)
    return event.asset_materialization.metadata["dagster/row_count"].value


def test_a_schedule_ticks(server, wait_for):
    """A schedule that is running by default launches its job, and the run succeeds."""
    schedule = {"dagster__schedule_name": "keep_planes_schedule"}
    run = wait_for(lambda: server.runs(**schedule))[-1]

    assert "keep_planes" == run["jobName"]
    assert "SUCCESS" == server.status(run["runId"])


def test_a_sensor_fires_on_a_new_file(server, flights, wait_for):
    """Nothing is launched before there is a file, and one run for it afterwards."""
    sensor = {"dagster__sensor_name": "new_reports"}
    before = server.runs(**sensor)
    (flights / "data/inbox").mkdir(parents=True)
    (flights / "data/inbox/june.txt").write_text("sunny")
    run = wait_for(lambda: server.runs(**sensor))[-1]

    assert [] == before
    assert "keep_weather" == run["jobName"]
    assert "SUCCESS" == server.status(run["runId"])
    assert 1 == len(server.runs(**sensor))


def test_a_backfill_of_twelve_months(server, flights, instance, wait_for):
    """Every month is a run of its own, which writes that month and no other."""
    params = {"assetSelection": [{"path": ["departures_by_month"]}], "partitionNames": MONTHS}
    launched = server.ask(BACKFILL, params=params)["launchPartitionBackfill"]
    assert "LaunchBackfillSuccess" == launched["__typename"], launched
    backfill_id = launched["backfillId"]

    def ended():
        status = server.ask(BACKFILL_STATUS, id=backfill_id)["partitionBackfillOrError"]["status"]
        return status if status.startswith(("COMPLETED", "FAIL", "CANCELED")) else None

    assert "COMPLETED_SUCCESS" == wait_for(ended, timeout_s=600)
    key = dg.AssetKey("departures_by_month")
    assert set(MONTHS) == instance.get_materialized_partitions(key)
    written = flights.glob("data/sample/03_primary/departures_by_month/*")
    assert MONTHS == sorted(file.stem for file in written)
    assert 12 == len(server.runs(dagster__backfill=backfill_id))


def test_parameters_of_the_launchpad(server, instance):
    """A job's own parameters count, and what a person sets in the Launchpad counts more."""
    assert "SUCCESS" == server.run("sample_flights")
    of_the_job = rows_saved(instance)
    config = {"resources": {"kedro": {"config": {"parameters": {"sampling": {"day_step": 200}}}}}}
    assert "SUCCESS" == server.run("sample_flights", config)

    assert 0 < rows_saved(instance) < of_the_job


def test_a_wrong_parameter_is_refused(server):
    """It is named, and no run is there afterwards."""
    config = {"resources": {"kedro": {"config": {"parameters": {"sampling": {"day_stpe": 1}}}}}}
    before = server.runs_of("sample_flights")
    refused = server.launch("sample_flights", config)

    assert "RunConfigValidationInvalid" == refused["__typename"]
    assert "day_stpe" in refused["errors"][0]["message"]
    assert before == server.runs_of("sample_flights")
