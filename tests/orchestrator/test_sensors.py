"""What the sensors of `dagster.yml` launch, with real files and a real instance."""

import os
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import dagster as dg
import fsspec
import pytest
from dagster_kedro import KedroProject, build_definitions
from dagster_kedro.assets.index import AssetIndex
from dagster_kedro.assets.translator import DagsterKedroTranslator
from dagster_kedro.automation.file_watch import REMEMBERED_GONE
from dagster_kedro.automation.sensors import build_sensors
from dagster_kedro.errors import StorageError
from kedro_manifest.codec import write_manifest
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.model import Dataset, Parameter
from kedro_manifest.orchestration.root import orchestration_of
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import ThreadedFTPServer

PARAMETERS = [
    Parameter(name="landing", type="object"),
    Parameter(name="landing.file", type="null"),
    Parameter(name="depth", type="integer", value=3),
]
DATASETS = [
    Dataset(name="inbox", type="partitions.PartitionedDataset", kind="partitioned", uri="in"),
    Dataset(name="table", type="pandas.CSVDataset", kind="file", uri="in/t.csv", versioned=True),
    Dataset(name="query", type="pandas.SQLTableDataset", kind="table"),
    Dataset(name="joined", type="pandas.CSVDataset", kind="file", uri="data/joined.csv"),
]


@pytest.fixture
def shop(tmp_path, manifest, node):
    """A project with a folder `in`, in which other people put files."""

    def make(sensors, **orchestration):
        content = manifest(
            node("join", ["inbox", "table", "query"], ["joined"], parameters=["parameters"]),
            node("count", ["joined"], ["total"]),
            datasets=DATASETS,
            parameters=PARAMETERS,
            runtime_parameters=["source.file"],
            pipelines={"__default__": ["join", "count"], "counting": ["count"]},
            orchestration={"sensors": sensors, **orchestration},
        )
        write_manifest(content, tmp_path / "manifest.json")
        return KedroProject(tmp_path)

    (tmp_path / "in").mkdir()
    return make


class Watcher:
    """A sensor that is looked at again and again, as the daemon does."""

    def __init__(self, definitions, name="arrivals", cursor=None, instance=None):
        self.repository = definitions.get_repository_def()
        self.sensor = self.repository.get_sensor_def(name)
        self.instance = instance or dg.DagsterInstance.ephemeral()
        self.cursor = cursor

    def look(self):
        """Return what one tick asks for, and keep its cursor."""
        context = dg.build_sensor_context(
            instance=self.instance,
            # An instance in memory has no reference; partitions are found through one.
            instance_ref=self.instance.get_ref() if self.instance.is_persistent else None,
            repository_def=self.repository,
            cursor=self.cursor,
        )
        result = self.sensor.evaluate_tick(context)
        self.cursor = result.cursor
        self.skipped = result.skip_message
        self.partitions = [
            key for each in result.dynamic_partitions_requests or () for key in each.partition_keys
        ]
        return result.run_requests or []


@pytest.fixture
def watch(shop):
    """Return the watcher of one file sensor."""

    def watching(sensor, **orchestration):
        sensors = {"arrivals": {"type": "files", "job": "__default__", **sensor}}
        return Watcher(build_definitions(shop(sensors, **orchestration)))

    return watching


@pytest.mark.parametrize(
    "said", [{"type": "files", "uri": "in"}, {"type": "run_status", "after": "counting"}], ids=str
)
def test_everything_that_both_kinds_say(shop, said):
    """Job, description, interval and status are seen on the sensor in Dagster."""
    told = {"description": "Early.", "interval_s": 90, "default_status": "running"}
    sensors = {"arrivals": {**said, "job": "__default__", **told}}
    sensor = build_definitions(shop(sensors)).get_repository_def().get_sensor_def("arrivals")

    assert ("Early.", 90, "RUNNING", ["__default__"]) == (
        sensor.description,
        sensor.minimum_interval_seconds,
        sensor.default_status.value,
        [target.job_name for target in sensor.targets],
    )


def files_of(requests):
    return [request.tags["kedro/file"].rpartition("/")[2] for request in requests]


def test_a_new_file_launches_the_job(watch, tmp_path):
    """A file under a free input is launched for once, and the run says which file it was."""
    watcher = watch({"dataset": "inbox", "tags": {"team": "crm"}})
    assert ([], f"There is nothing at '{tmp_path}/in'.") == (watcher.look(), watcher.skipped)

    (tmp_path / "in/a.csv").write_text("1")
    (request,) = watcher.look()
    assert {"team": "crm", "kedro/file": f"{tmp_path}/in/a.csv"}.items() <= request.tags.items()
    assert ([], f"Nothing new at '{tmp_path}/in': 1 known.") == (watcher.look(), watcher.skipped)


def test_a_changed_file_launches_again(watch, tmp_path):
    """A file that is written anew is new, one that is only looked at is not."""
    watcher = watch({"dataset": "inbox"})
    file = tmp_path / "in/a.csv"
    file.write_text("1")
    (first,) = watcher.look()
    file.write_text("22")
    (second,) = watcher.look()
    file.read_text()

    assert [] == watcher.look()
    assert first.run_key != second.run_key


def test_one_run_for_all_that_is_new(watch, tmp_path):
    """By default a look launches one run, however many files are new; hidden ones do not count."""
    watcher = watch({"uri": "in/**/*.csv"})
    (tmp_path / "in/deep").mkdir()
    for name in ("a.csv", "deep/b.csv", ".c.csv", "d.txt"):
        (tmp_path / "in" / name).write_text("1")

    (request,) = watcher.look()
    assert "2" == request.tags["kedro/files"]


def test_a_run_for_each_file(watch, tmp_path):
    """`each: file` launches a run a file, at most so many a look, and forgets none of the rest."""
    watcher = watch({"dataset": "inbox", "each": "file", "max_runs_per_tick": 2})
    for name in "edcba":
        (tmp_path / f"in/{name}.csv").write_text("1")

    looks = [files_of(watcher.look()) for _ in range(4)]
    assert [["a.csv", "b.csv"], ["c.csv", "d.csv"], ["e.csv"], []] == looks


def test_old_files_count(watch, tmp_path):
    """A file that arrives with an old date, as `cp -p` leaves it, is new all the same."""
    watcher = watch({"dataset": "inbox"})
    (tmp_path / "in/new.csv").write_text("1")
    watcher.look()
    (tmp_path / "in/old.csv").write_text("1")
    os.utime(tmp_path / "in/old.csv", (1e9, 1e9))

    assert ["old.csv"] == files_of(watcher.look())


def test_a_folder_that_was_away(watch, tmp_path):
    """What is back unchanged, after a mount was gone, launches nothing."""
    watcher = watch({"dataset": "inbox"})
    for name in "ab":
        (tmp_path / f"in/{name}.csv").write_text("1")
    watcher.look()
    (tmp_path / "in").rename(tmp_path / "away")
    assert [] == watcher.look()
    (tmp_path / "away").rename(tmp_path / "in")

    assert [] == watcher.look()


def test_the_cursor_stays_small(watch, tmp_path):
    """Eight characters a file, and an end to those that are gone."""
    watcher = watch({"dataset": "inbox"})
    for number in range(100):
        (tmp_path / f"in/{number}.csv").write_text("1")
    watcher.look()
    assert len("1:") + 100 * 8 == len(watcher.cursor)

    watcher.cursor = "1:" + "".join(f"{number:08}" for number in range(REMEMBERED_GONE + 500))
    watcher.look()
    assert len("1:") + (REMEMBERED_GONE + 100) * 8 == len(watcher.cursor)
    assert watcher.cursor.startswith("1:00000500")


def test_a_lost_cursor_launches_nothing_twice(watch, tmp_path):
    """The run key is the same, so that Dagster itself refuses the second run."""
    watcher = watch({"dataset": "inbox"})
    (tmp_path / "in/a.csv").write_text("1")
    (first,) = watcher.look()
    watcher.cursor = None
    (again,) = watcher.look()

    assert first.run_key == again.run_key


def test_a_cursor_that_is_not_ours(watch):
    """A cursor that somebody set by hand fails the tick, and the error says what to do."""
    watcher = watch({"dataset": "inbox"})
    watcher.cursor = "2026-01-01"

    with pytest.raises(StorageError, match="Reset it in Dagster's web interface"):
        watcher.look()


def test_files_that_are_being_written(watch, tmp_path):
    """A young file waits until it is old enough."""
    watcher = watch({"dataset": "inbox", "min_age_s": 60})
    file = tmp_path / "in/a.csv"
    file.write_text("1")
    assert ([], f"1 new at '{tmp_path}/in', younger than 60 s.") == (
        watcher.look(),
        watcher.skipped,
    )

    an_hour_ago = time.time() - 3600
    os.utime(file, (an_hour_ago, an_hour_ago))
    assert ["a.csv"] == files_of(watcher.look())


@pytest.mark.parametrize("above", ["landing", "source"])
def test_the_file_is_a_parameter(watch, tmp_path, above):
    """Each file gets a run, whose runtime parameter is the file; the catalog alone may name it."""
    watcher = watch({"dataset": "inbox", "parameter": f"{above}.file"})
    for name in "ab":
        (tmp_path / f"in/{name}.csv").write_text("1")
    requests = watcher.look()

    assert [
        {"resources": {"kedro": {"config": {"parameters": {above: {"file": str(path)}}}}}}
        for path in (tmp_path / "in/a.csv", tmp_path / "in/b.csv")
    ] == [request.run_config for request in requests]
    job = watcher.repository.get_job("__default__")
    assert dg.validate_run_config(job, requests[0].run_config)


def test_what_the_job_says_stays(shop, tmp_path):
    """A run request's configuration replaces the job's in Dagster; so it has both in it."""
    project = shop(
        {
            "arrivals": {
                "type": "files",
                "job": "nightly",
                "dataset": "inbox",
                "parameter": "landing.file",
            }
        }
    )
    index = AssetIndex(project, DagsterKedroTranslator())
    config = {"parameters": {"depth": 9}, "env": "prod"}
    job = dg.define_asset_job("nightly", config={"resources": {"kedro": {"config": config}}})
    (sensor,) = build_sensors(index, orchestration_of(project.manifest), {"nightly": job})
    (tmp_path / "in/a.csv").write_text("1")
    (request,) = sensor.evaluate_tick(dg.build_sensor_context()).run_requests

    assert {
        "parameters": {"depth": 9, "landing": {"file": f"{tmp_path}/in/a.csv"}},
        "env": "prod",
    } == request.run_config["resources"]["kedro"]["config"]


@pytest.fixture
def by_partition(shop):
    """Make a sensor that adds partitions, with a job of an asset that has them."""

    def make(**sensor):
        sensors = {
            "arrivals": {
                "type": "files",
                "job": "load",
                "dataset": "inbox",
                "partition": "stores",
                **sensor,
            }
        }
        project = shop(
            sensors,
            partitions={
                "stores": {"type": "dynamic", "name": "shop_stores", "pipelines": ["counting"]}
            },
        )

        @dg.asset(partitions_def=dg.DynamicPartitionsDefinition(name="shop_stores"))
        def loaded():
            pass

        job = dg.define_asset_job("load", selection=[loaded])
        index = AssetIndex(project, DagsterKedroTranslator())
        found = build_sensors(index, orchestration_of(project.manifest), {"load": job})
        definitions = dg.Definitions(assets=[loaded], jobs=[job], sensors=found)
        return Watcher(definitions, instance=instance)

    with dg.instance_for_test() as instance:
        yield make


def test_each_file_is_a_partition(by_partition, tmp_path):
    """The stem of a file becomes a dynamic partition, and a run of that partition is launched."""
    watcher = by_partition()
    for name in ("berlin.csv", "rome.csv", "rome.json"):
        (tmp_path / "in" / name).write_text("1")
    requests = watcher.look()

    assert ["berlin", "rome"] == watcher.partitions
    assert ["berlin", "rome"] == [request.partition_key for request in requests]
    assert "2" == requests[1].tags["kedro/files"]
    assert "rome" == requests[1].tags["dagster/partition"]


def test_a_partition_that_is_there_already(by_partition, tmp_path):
    """A file that changes launches its partition again."""
    watcher = by_partition()
    watcher.instance.add_dynamic_partitions("shop_stores", ["rome"])
    (tmp_path / "in/rome.csv").write_text("1")

    assert ["rome"] == [request.partition_key for request in watcher.look()]


def test_versions_of_a_dataset(watch, tmp_path):
    """Each version that is saved of a versioned free input is a new file."""
    watcher = watch({"dataset": "table"})
    for version in ("2026-01-01T00.00.00.000Z", "2026-01-02T00.00.00.000Z"):
        (tmp_path / "in/t.csv" / version).mkdir(parents=True)
        (tmp_path / "in/t.csv" / version / "t.csv").write_text("1")
        (request,) = watcher.look()
        assert f"{version}/t.csv" in request.tags["kedro/file"]

    assert [] == watcher.look()


def test_objects(watch):
    """A storage that is no disk is looked at through fsspec."""
    memory = fsspec.filesystem("memory")
    watcher = watch({"uri": "memory://bucket/*.csv", "each": "file"})
    assert ([], "There is nothing at 'memory://bucket/*.csv'.") == (watcher.look(), watcher.skipped)
    try:
        memory.pipe("/bucket/a.csv", b"1")
        assert ["memory://bucket/a.csv"] == [each.tags["kedro/file"] for each in watcher.look()]
        memory.pipe("/bucket/a.csv", b"22")
        assert ["a.csv"] == files_of(watcher.look())
    finally:
        memory.rm("/bucket", recursive=True)


@pytest.fixture
def ftp(tmp_path):
    """An FTP server on `tmp_path/ftp`; returns its port."""
    (tmp_path / "ftp/in").mkdir(parents=True)
    authorizer = DummyAuthorizer()
    authorizer.add_user("crm", "s3cret", str(tmp_path / "ftp"))
    handler = type("Handler", (FTPHandler,), {"authorizer": authorizer})
    server = ThreadedFTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"handle_exit": False}, daemon=True)
    thread.start()
    yield server.address[1]
    server.close_all()
    thread.join(10)


def test_another_machine(watch, ftp, tmp_path, monkeypatch):
    """Credentials come from variables, no listing is remembered, and URLs keep their host."""
    monkeypatch.setenv("CRM_PASSWORD", "s3cret")
    options = {"username": "crm", "password": {"env": "CRM_PASSWORD"}}
    watcher = watch({"uri": f"ftp://127.0.0.1:{ftp}/in", "storage_options": options})
    assert [] == watcher.look()
    (tmp_path / "ftp/in/a.csv").write_text("1")

    (request,) = watcher.look()
    assert f"ftp://127.0.0.1:{ftp}/in/a.csv" == request.tags["kedro/file"]
    (tmp_path / "ftp/in/a.csv").write_text("22")
    assert ["a.csv"] == files_of(watcher.look())


def error_of(watcher):
    with pytest.raises(StorageError) as caught:
        watcher.look()
    return str(caught.value)


def test_unreachable_storage(watch):
    """A storage that does not answer fails the tick, with its URL and what to check."""
    watcher = watch({"uri": "ftp://127.0.0.1:1/in"})

    said = error_of(watcher)
    assert said.startswith("Cannot look at 'ftp://127.0.0.1:1/in': [Errno 111] Connection refused.")
    assert "dagster.yml: sensors.arrivals.storage_options" in said


def test_a_variable_that_is_not_set(watch):
    """The tick fails, and the error names the variable."""
    watcher = watch(
        {"uri": "ftp://127.0.0.1:1/in", "storage_options": {"password": {"env": "NO_SUCH_VAR"}}}
    )

    assert "environment variable NO_SUCH_VAR is not set" in error_of(watcher)


def test_no_library(watch):
    """A storage whose library is missing fails the tick, and the error names the library."""
    assert "s3fs" in error_of(watch({"uri": "s3://bucket/in"}))


@contextmanager
def as_nobody():
    """Be a user who may not read everything, as root may."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("pattern", ["", "/*", "/**/*.csv"])
def test_a_folder_that_may_not_be_read(watch, pattern):
    """What cannot be listed is not taken for empty."""
    with TemporaryDirectory() as above:
        folder = Path(above, "in")
        folder.mkdir(mode=0)
        Path(above).chmod(0o755)
        watcher = watch({"uri": f"{folder}{pattern}"})
        with as_nobody():
            said = error_of(watcher)
        folder.chmod(0o755)

    assert "Permission denied" in said


def test_options_of_a_sensor(shop):
    """Name, description, interval and status are Dagster's."""
    said = {
        "type": "files",
        "job": "counting",
        "uri": "in",
        "description": "Looks.",
        "interval_s": 90,
        "default_status": "running",
    }
    definitions = build_definitions(shop({"new-files": said}))
    sensor = definitions.get_repository_def().get_sensor_def("newU_2d_Ufiles")

    assert ("Looks.", 90, "RUNNING", "counting") == (
        sensor.description,
        sensor.minimum_interval_seconds,
        sensor.default_status.value,
        sensor.job.name,
    )


def test_sensors_of_pipelines_that_are_not_defined(shop):
    """Where only some pipelines are taken, sensors for others are left out with their jobs."""
    sensors = {
        "all": {"type": "files", "uri": "in", "job": "__default__"},
        "some": {"type": "files", "uri": "in", "job": "counting"},
        "after": {"type": "run_status", "after": "__default__", "job": "counting"},
    }
    project = shop(sensors, assets={"*": {"automation": "eager"}}, automation_sensor="running")
    with pytest.warns(UserWarning, match=r"sensors\.all\.job is left out: job '__default__'"):
        definitions = build_definitions(project, pipelines=["counting"])

    dg.Definitions.validate_loadable(definitions)
    found = {sensor.name for sensor in definitions.get_repository_def().sensor_defs}
    assert {"some", "counting_automation"} == found


FILES = {"type": "files", "job": "counting"}


@pytest.mark.parametrize(
    ("sensor", "said"),
    [
        ({**FILES, "uri": "in", "job": "countin"}, "s.job: there is no job 'countin'.*'counting'"),
        (FILES, "s: it needs a place to look at"),
        ({**FILES, "uri": "in", "dataset": "inbox"}, "s: it needs a place to look at"),
        ({**FILES, "dataset": "inbx"}, "s.dataset: there is no free input 'inbx'.*'inbox'"),
        ({**FILES, "dataset": "joined"}, "s.dataset: 'joined' is no free input: node 'join'"),
        ({**FILES, "dataset": "query"}, "s.dataset: the catalog names no file or folder"),
        (
            {**FILES, "uri": "in", "parameter": "x"},
            "s.parameter: .* no parameter 'x'.*parameters.y",
        ),
        ({**FILES, "uri": "in", "parameter": "depth"}, "s.parameter: .*of type integer"),
        ({**FILES, "uri": "in", "parameter": "landing.file", "each": "change"}, "s.each: "),
        (
            {**FILES, "uri": "in", "partition": "x"},
            "s.partition: there is no entry .* 'x'.*'fixed'",
        ),
        ({**FILES, "uri": "in", "partition": "fixed"}, "s.partition: .*a list that cannot grow"),
        ({**FILES, "dataset": "table", "partition": "grows"}, "s.partition: 'table' is versioned"),
        ({**FILES, "uri": "in", "max_runs_per_tick": 0}, "s.max_runs_per_tick: "),
        ({**FILES, "uri": "in", "interval_s": 0}, "s.interval_s: "),
        ({"type": "run_status", "job": "counting", "after": "x"}, "s.after: there is no job 'x'"),
        (
            {"type": "run_status", "job": "counting", "after": "counting"},
            "s: the jobs would launch each other for ever: counting -> counting",
        ),
    ],
    ids=str,
)
def test_what_a_sensor_cannot_do(shop, sensor, said):
    """The error names the sensor's entry, and what may stand there."""
    partitions = {
        "fixed": {"type": "static", "keys": ["a"], "pipelines": ["counting"]},
        "grows": {"type": "dynamic", "datasets": ["joined"]},
    }

    with pytest.raises(OrchestrationError, match=rf"dagster\.yml: sensors\.{said}"):
        build_definitions(shop({"s": sensor}, partitions=partitions))


def test_a_pipeline_that_became_several_jobs(shop):
    """Where a pipeline is partitioned in several ways, the sensor has to say which job it means."""
    partitions = {
        "shops": {"type": "static", "keys": ["a"], "datasets": ["joined"]},
        "towns": {"type": "static", "keys": ["b"], "datasets": ["total"]},
    }
    sensors = {"s": {**FILES, "uri": "in", "job": "__default__"}}

    with pytest.raises(
        OrchestrationError, match="Name one of '__default___shops', '__default___to"
    ):
        build_definitions(shop(sensors, partitions=partitions))
    sensors["s"]["job"] = "__default___towns"
    dg.Definitions.validate_loadable(build_definitions(shop(sensors, partitions=partitions)))


def test_jobs_that_launch_each_other(shop):
    """A circle of several jobs is refused, too."""
    there = {"type": "run_status", "job": "counting", "after": "__default__"}
    back = {"type": "run_status", "job": "__default__", "after": "counting", "status": "failure"}

    with pytest.raises(OrchestrationError, match=r"sensors\.\w+: the jobs would launch each other"):
        build_definitions(shop({"there": there, "back": back}))


def run(job, instance, *, fail=False, **options):
    """Run a job for real; return the run."""
    result = job.execute_in_process(instance=instance, raise_on_error=False, **options)
    assert result.success is not fail
    return instance.get_run_by_id(result.run_id)


def follow_up(sensor, run, instance, status, repository):
    """Return what a run-status sensor asks for after a run."""
    event = next(
        entry.dagster_event
        for entry in instance.all_logs(run.run_id)
        if entry.dagster_event and entry.dagster_event.event_type_value == f"PIPELINE_{status}"
    )
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_run=run,
        dagster_instance=instance,
        dagster_event=event,
        repository_def=repository,
    )
    return sensor(context)


@pytest.fixture
def two_jobs(shop):
    """Jobs `load` and `report`, with partitions or without, and a sensor between them."""

    def make(partitions_def=None, *, report_partitions=None, status="success"):
        @dg.asset(partitions_def=partitions_def, name="loaded")
        def loaded(context: dg.AssetExecutionContext):
            if context.run.tags.get("fail"):
                raise dg.Failure("no data")

        @dg.asset(partitions_def=report_partitions, name="reported", deps=[loaded])
        def reported():
            pass

        load = dg.define_asset_job("load", selection=[loaded])
        report = dg.define_asset_job("report", selection=[reported])
        said = {
            "type": "run_status",
            "job": "report",
            "after": "load",
            "status": status,
            "tags": {"by": "sensor"},
        }
        project = shop({"then": said})
        index = AssetIndex(project, DagsterKedroTranslator())
        sensors = build_sensors(
            index, orchestration_of(project.manifest), {"load": load, "report": report}
        )
        definitions = dg.Definitions(
            assets=[loaded, reported], jobs=[load, report], sensors=sensors
        )
        return definitions.get_repository_def()

    return make


@pytest.mark.parametrize(("status", "fail"), [("success", False), ("failure", True)])
def test_a_job_follows_a_job(two_jobs, status, fail):
    """The follow-up is launched once for each run, and knows which run that was."""
    repository = two_jobs(status=status)
    instance = dg.DagsterInstance.ephemeral()
    first = run(
        repository.get_job("load"), instance, fail=fail, tags={"fail": "yes"} if fail else {}
    )
    sensor = repository.get_sensor_def("then")
    request = follow_up(sensor, first, instance, status.upper(), repository)

    assert first.run_id == request.run_key
    assert {"by": "sensor", "kedro/after_run": first.run_id} == dict(request.tags)


@pytest.mark.parametrize(
    ("status", "expected"), [("success", [0]), ("failure", [1]), ("started", [0, 1])]
)
def test_the_status_that_is_waited_for(two_jobs, status, expected):
    """Of a run that succeeds and one that fails, the sensor follows those with its status."""
    repository = two_jobs(status=status)
    sensor, load = repository.get_sensor_def("then"), repository.get_job("load")
    with dg.instance_for_test() as instance:

        def tick(cursor=None):
            return sensor.evaluate_tick(
                dg.build_sensor_context(instance, cursor=cursor, repository_def=repository)
            )

        cursor, runs, followed = tick().cursor, [], []
        for options in ({}, {"fail": True, "tags": {"fail": "yes"}}):
            runs.append(run(load, instance, **options).run_id)
            done = tick(cursor)
            cursor = done.cursor or cursor
            followed += [request.run_key for request in done.run_requests or ()]

    assert [runs[number] for number in expected] == followed


def test_a_follow_up_of_the_same_partition(two_jobs):
    """After a run of a partition comes that partition of the follow-up."""
    days = dg.DailyPartitionsDefinition("2026-01-01")
    repository = two_jobs(days, report_partitions=days)
    instance = dg.DagsterInstance.ephemeral()
    first = run(repository.get_job("load"), instance, partition_key="2026-01-05")

    request = follow_up(repository.get_sensor_def("then"), first, instance, "SUCCESS", repository)
    assert "2026-01-05" == request.partition_key


def test_a_follow_up_of_no_partition(two_jobs):
    """If nobody can say which partition is meant, none is launched, and the tick says why."""
    repository = two_jobs(report_partitions=dg.DailyPartitionsDefinition("2026-01-01"))
    instance = dg.DagsterInstance.ephemeral()
    first = run(repository.get_job("load"), instance)

    skipped = follow_up(repository.get_sensor_def("then"), first, instance, "SUCCESS", repository)
    assert f"run {first.run_id} was of none" in skipped.skip_message
