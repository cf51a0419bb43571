"""Files that were written for kedro-dagster: each of their shapes is taken as it is."""

from pathlib import Path

import pytest
import yaml
from kedro_manifest.orchestration.jobs import Logger
from kedro_manifest.orchestration.root import Orchestration, read_orchestration

FOLDER = Path(__file__).parent / "fixtures/kedro_dagster"


def read(name: str) -> Orchestration:
    return read_orchestration(yaml.safe_load((FOLDER / name).read_text()))


@pytest.mark.parametrize("name", sorted(file.name for file in FOLDER.iterdir()))
def test_files_are_taken_unchanged(name):
    """No key of theirs is unknown, and no value of a wrong type."""
    raw = yaml.safe_load((FOLDER / name).read_text())

    assert set(raw["jobs"]) == set(read(name).jobs)


def test_jobs_mean_what_they_say():
    """Filters, schedule and executor arrive under the names that ours have."""
    found = read("jobs.yml")
    narrowed = found.jobs["narrowed"]

    assert ("Europe/Vienna", {"owner": "harbour"}) == (
        found.schedules["every_night"].execution_timezone,
        found.schedules["every_night"].metadata,
    )
    assert ["weigh_crates", "weigh_barrels"] == found.jobs["weighing"].pipeline.node_names
    assert (["north"], ["weights"]) == (
        narrowed.pipeline.node_namespaces,
        narrowed.pipeline.to_outputs,
    )
    assert "0 6 * * 1" == narrowed.schedule.cron_schedule
    assert {"in_process": None} == found.executors["one_by_one"]


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        (
            "executors.yml",
            "in_process multiprocess docker k8s_job dask celery celery_docker celery_k8s_job",
        ),
        ("executors-0.6.yml", "k8s_job dask celery celery_docker celery_k8s_job"),
    ],
)
def test_executors_get_the_names_that_ours_have(name, kinds):
    """Whoever makes executors knows one name of each kind."""
    assert kinds.split() == [kind for each in read(name).executors.values() for kind in each]


def test_an_executor_written_in_place_gets_its_name_too():
    """The same holds where the job itself has the options."""
    executor = {"docker_executor": {"image": "x"}}
    found = read_orchestration({"jobs": {"a": {"executor": executor}}})

    assert {"docker": {"image": "x"}} == found.jobs["a"].executor


def test_loggers_by_name_and_in_place():
    """A job has both kinds, in its order."""
    by_name, in_place = read("loggers.yml").jobs["counting"].loggers

    assert "ship_log" == by_name
    assert Logger(log_level="WARNING", handlers=[{"class": "logging.StreamHandler"}]) == in_place


def test_one_namespace_is_a_list_of_one():
    """Kedro 0.19 filters by one namespace; nothing of the spelling is left."""
    found = read("kedro-0.19.yml").jobs["weighing"].pipeline

    assert (["north"], None) == (found.node_namespaces, found.node_namespace)
