"""Schedules of dagster.yml: what they are named, when they tick, and for which partitions."""

from datetime import datetime
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster_kedro import build_definitions
from dagster_kedro.jobs.schedules import schedule_of
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration.root import read_orchestration

BERLIN = "Europe/Berlin"
DAYS = dg.DailyPartitionsDefinition("2024-03-29", timezone=BERLIN)
SHOPS = dg.StaticPartitionsDefinition(["north", "south"])


@pytest.fixture
def define(project, node):
    """Define a project with jobs and schedules."""

    def defined(jobs, **schedules) -> dict[str, dg.ScheduleDefinition]:
        opened = project(
            node("make", [], ["table"]), orchestration={"jobs": jobs, "schedules": schedules}
        )
        definitions = build_definitions(opened)
        dg.Definitions.validate_loadable(definitions)
        return {schedule.name: schedule for schedule in definitions.schedules}

    return defined


def tick(schedule, partitions_def, *, at="2024-04-02T03:00", zone="UTC", instance=None):
    """Let a schedule of a partitioned job tick; return the partitions that it launches."""

    @dg.asset(partitions_def=partitions_def)
    def table():
        """Made by hand."""

    job = dg.define_asset_job("sales", [table], config={"loggers": {"console": {}}})
    made = schedule_of("sales_schedule", job, read(schedule), "schedules.s", partitions_def)
    repository = dg.Definitions(assets=[table], jobs=[job], schedules=[made]).get_repository_def()
    with dg.build_schedule_context(
        scheduled_execution_time=datetime.fromisoformat(at).replace(tzinfo=ZoneInfo(zone)),
        instance=instance or dg.DagsterInstance.ephemeral(),
        repository_def=repository,
    ) as context:
        done = repository.get_schedule_def("sales_schedule").evaluate_tick(context)
    for request in done.run_requests:
        assert {"loggers": {"console": {}}} == request.run_config
        assert request.run_key == request.partition_key
    return [request.partition_key for request in done.run_requests or []] or done.skip_message


def read(schedule):
    entry = {"cron_schedule": "0 3 * * *", **schedule}
    return read_orchestration({"schedules": {"s": entry}}).schedules["s"]


@pytest.mark.parametrize("in_place", [True, False])
def test_everything_that_a_schedule_says(define, in_place):
    """Each key reaches Dagster, in place or by name; the schedule has its job's name."""
    nightly = {
        "cron_schedule": "0 3 * * *",
        "execution_timezone": BERLIN,
        "description": "At night.",
        "default_status": "running",
        "tags": {"by": "clock"},
        "metadata": {"owner": "sales"},
    }
    schedule = define(
        {"sales": {"schedule": nightly if in_place else "nightly"}},
        **({} if in_place else {"nightly": nightly}),
    )["sales_schedule"]

    assert ("0 3 * * *", BERLIN, "At night.") == (
        schedule.cron_schedule,
        schedule.execution_timezone,
        schedule.description,
    )
    assert dg.DefaultScheduleStatus.RUNNING == schedule.default_status
    assert ("clock", "sales") == (schedule.tags["by"], schedule.metadata["owner"].value)
    assert "sales" == schedule.job_name


def test_a_tick_launches_the_job_with_its_tags(define):
    """Without partitions a tick is one run, with the schedule's tags."""
    schedules = define(
        {"sales": {"schedule": {"cron_schedule": ["0 3 * * *", "@monthly"], "tags": {"a": "b"}}}}
    )
    with dg.build_schedule_context() as context:
        (request,) = schedules["sales_schedule"].evaluate_tick(context).run_requests

    assert ["0 3 * * *", "@monthly"] == schedules["sales_schedule"].cron_schedule
    assert dg.DefaultScheduleStatus.STOPPED == schedules["sales_schedule"].default_status
    assert "b" == request.tags["a"]


def test_a_schedule_of_several_jobs_is_one_for_each(define):
    """Each has the name of its job, whoever else uses the entry."""
    jobs = {"a": {"schedule": "nightly"}, "b": {"schedule": "nightly"}, "c": {}}

    made = define(jobs, nightly={"cron_schedule": "@daily"})
    assert {"a_schedule": "a", "b_schedule": "b"} == {
        name: schedule.job_name for name, schedule in made.items()
    }


@pytest.mark.parametrize(
    ("schedule", "place", "said"),
    [
        ({"cron_schedule": "every night"}, "cron_schedule", "is no cron schedule. Write five"),
        ({"cron_schedule": ["0 3 * * *", "61 * * * *"]}, "cron_schedule", "is no cron schedule"),
        ({"execution_timezone": "Europe/Berln"}, "execution_timezone", "mean 'Europe/Berlin'"),
        ({"execution_timezone": "../etc"}, "execution_timezone", "such as 'Europe/Berlin'"),
        ({"partition": "all"}, "partition", "job 'j' has no partitions"),
        ({"default_status": "on"}, "default_status", "'running'"),
    ],
    ids=str,
)
@pytest.mark.parametrize("in_place", [True, False])
def test_wrong_schedules(define, schedule, place, said, in_place):
    """The error stands at the schedule, in place or by its name."""
    entry = {"cron_schedule": "0 3 * * *", **schedule}
    jobs = {"j": {"schedule": entry if in_place else "s"}}
    with pytest.raises(OrchestrationError) as caught:
        define(jobs, **({} if in_place else {"s": entry}))

    assert f"{'jobs.j.schedule' if in_place else 'schedules.s'}.{place}" == caught.value.place
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("at", "zone", "expected"),
    [
        ("2024-04-02T03:00", "UTC", ["2024-04-01"]),
        ("2024-04-01T22:30", "UTC", ["2024-04-01"]),
        ("2024-04-01T21:30", "UTC", ["2024-03-31"]),
        ("2024-04-01T23:59", BERLIN, ["2024-03-31"]),
        ("2024-03-29T12:00", BERLIN, "There is no partition yet for `partition: latest`."),
    ],
)
def test_the_last_complete_day(at, zone, expected):
    """What counts is the time of the tick, where the partitions have their days."""
    assert expected == tick({}, DAYS, at=at, zone=zone)


def test_all_partitions():
    """A run for each partition that there is at the time of the tick."""
    days = ["2024-03-29", "2024-03-30", "2024-03-31", "2024-04-01"]

    assert days == tick({"partition": "all"}, DAYS)
    assert ["north", "south"] == tick({"partition": "all"}, SHOPS)


def test_one_partition():
    """A partition by its key, of whatever kind."""
    assert ["2024-03-30"] == tick({"partition": {"key": "2024-03-30"}}, DAYS)
    assert ["north"] == tick({"partition": {"key": "north"}}, SHOPS)
    assert "no partition yet" in tick({"partition": {"key": "2024-04-02"}}, DAYS)


def test_a_key_that_a_fixed_list_does_not_have():
    """It is refused when definitions load, with the nearest one."""
    with pytest.raises(OrchestrationError, match=r"schedules\.s\.partition\.key.*'north'"):
        tick({"partition": {"key": "nort"}}, SHOPS)
    with pytest.raises(OrchestrationError, match=r"schedules\.s\.partition: .*`key: NAME`"):
        tick({"partition": {}}, SHOPS)


def test_the_last_of_a_list():
    """Partitions without a time have an order all the same."""
    files = dg.DynamicPartitionsDefinition(name="files")
    with dg.instance_for_test() as instance:
        none = tick({}, files, instance=instance)
        instance.add_dynamic_partitions("files", ["a", "b"])
        last, every, one = (
            tick(schedule, files, instance=instance)
            for schedule in ({}, {"partition": "all"}, {"partition": {"key": "a"}})
        )

    assert ["south"] == tick({}, SHOPS)
    assert "There is no partition yet for `partition: latest`." == none
    assert (["b"], ["a", "b"], ["a"]) == (last, every, one)


def test_two_dimensions():
    """The last complete day of each shop."""
    both = dg.MultiPartitionsDefinition({"day": DAYS, "shop": SHOPS})

    assert ["2024-04-01|north", "2024-04-01|south"] == tick({}, both)
    assert 8 == len(tick({"partition": "all"}, both))
    assert ["2024-03-30|south"] == tick({"partition": {"key": "2024-03-30|south"}}, both)


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize(
    ("partition", "expected"),
    [("latest", ["south"]), ("all", ["north", "south"]), ({"key": "north"}, ["north"])],
    ids=str,
)
def test_partitions_of_a_loaded_schedule(project, node, in_place, partition, expected):
    """What `partition` says holds for the job's own partitions, in place or by name."""
    entry = {"cron_schedule": "0 3 * * *", "partition": partition}
    shops = {"type": "static", "keys": ["north", "south"], "pipelines": ["__default__"]}
    content = {
        "jobs": {"j": {"schedule": entry if in_place else "s"}},
        "partitions": {"shops": shops},
    }
    if not in_place:
        content["schedules"] = {"s": entry}
    definitions = build_definitions(project(node("make", [], ["table"]), orchestration=content))
    repository = definitions.get_repository_def()
    noon = datetime(2024, 4, 2, 12, tzinfo=ZoneInfo("UTC"))
    with dg.build_schedule_context(
        repository_def=repository, scheduled_execution_time=noon
    ) as context:
        requests = repository.get_schedule_def("j_schedule").evaluate_tick(context).run_requests

    assert expected == [request.partition_key for request in requests]
