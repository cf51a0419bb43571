"""How free inputs are observed: with real files, a real HTTP server and a real instance."""

import os
from datetime import datetime, timedelta, timezone
from functools import partial
from hashlib import md5
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import dagster as dg
import pytest
from dagster_kedro import KedroProject, build_definitions
from kedro_manifest.codec import write_manifest
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.model import Dataset

CSV = {"type": "pandas.CSVDataset", "kind": "file"}


@pytest.fixture
def shop(tmp_path, manifest, node):
    """A project that reads datasets, of which those that are not described are CSV files."""

    def make(*datasets, observation=None, **orchestration):
        names = [dataset.name for dataset in datasets]
        content = manifest(
            node("join", names, ["joined"]),
            datasets=datasets,
            orchestration={"observation": observation or {}, **orchestration},
        )
        write_manifest(content, tmp_path / "manifest.json")
        return KedroProject(tmp_path)

    return make


class Observer:
    """The observation job of some definitions, run in this process."""

    def __init__(self, definitions, job="observe_inputs"):
        self.definitions = definitions
        self.instance = dg.DagsterInstance.ephemeral()
        self._job = definitions.resolve_job_def(job)

    def observe(self, select=None):
        """Run the job; return the versions that it reported."""
        result = self._job.execute_in_process(
            instance=self.instance,
            raise_on_error=False,
            asset_selection=[dg.AssetKey(name) for name in select] if select else None,
        )
        self.success = result.success
        self.errors = [
            event.step_failure_data.error.to_string()
            for event in result.all_events
            if event.is_step_failure
        ]
        self.warnings = [
            entry.user_message
            for entry in self.instance.all_logs(result.run_id)
            if entry.level == 30
        ]
        self.observations = {
            event.asset_key.to_user_string(): event.asset_observation_data.asset_observation
            for event in result.all_events
            if event.event_type == dg.DagsterEventType.ASSET_OBSERVATION
        }
        return {
            name: observation.tags["dagster/data_version"]
            for name, observation in self.observations.items()
        }


@pytest.fixture
def observer(shop):
    """Return the observer of a project with some free inputs."""

    def make(*datasets, **options):
        return Observer(build_definitions(shop(*datasets, **options)))

    return make


def local(name, **fields):
    return Dataset(name=name, uri=f"data/{name}.csv", protocol="file", **{**CSV, **fields})


def write(tmp_path, name, text):
    file = tmp_path / "data" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_a_version_changes_with_the_file(observer, tmp_path):
    """The same file has the same version, a changed one another, and the other input is not hit."""
    observing = observer(local("a"), local("b"))
    write(tmp_path, "a.csv", "1")
    write(tmp_path, "b.csv", "1")
    first, second = observing.observe(), observing.observe()
    write(tmp_path, "a.csv", "22")
    third = observing.observe()

    assert first == second
    assert first["a"] != third["a"]
    assert first["b"] == third["b"]


def test_what_is_reported_besides(observer, tmp_path):
    """Place, number, size and time of the files are shown with the observation."""
    observing = observer(local("a"))
    file = write(tmp_path, "a.csv", "four")
    os.utime(file, (1.7e9, 1.7e9))
    observing.observe()

    metadata = observing.observations["a"].metadata
    assert {
        "dagster/uri": str(file),
        "kedro/files": 1,
        "kedro/size_bytes": 4,
        "kedro/modified": 1.7e9,
    } == {name: value.value for name, value in metadata.items()}


def test_a_folder_is_all_of_its_files(observer, tmp_path):
    """A file that comes, goes or changes makes another version of a partitioned input."""
    observing = observer(Dataset(name="inbox", type="P", kind="partitioned", uri="data/inbox"))
    versions = []
    for change in (
        lambda: write(tmp_path, "inbox/a.csv", "1"),
        lambda: write(tmp_path, "inbox/deep/b.csv", "1"),
        lambda: write(tmp_path, "inbox/a.csv", "22"),
        (tmp_path / "data/inbox/a.csv").unlink,
    ):
        change()
        versions.append(observing.observe()["inbox"])

    assert 4 == len(set(versions))
    assert 1 == observing.observations["inbox"].metadata["kedro/files"].value


def test_a_versioned_input_is_its_newest_version(observer, tmp_path):
    """What Kedro would not load does not count."""
    observing = observer(local("a", versioned=True))
    versions = []
    for version in ("2026-01-02", "2026-01-01", "2026-01-03"):
        write(tmp_path, f"a.csv/{version}/a.csv", "1")
        versions.append(observing.observe()["a"])

    assert versions[0] == versions[1] != versions[2]


def test_versions_by_content(observer, tmp_path):
    """`version_by: content` reads the bytes, so that a touched file stays what it was."""
    observing = observer(local("a"), observation={"version_by": "content"})
    file = write(tmp_path, "a.csv", "1")
    first = observing.observe()
    os.utime(file, (1.7e9, 1.7e9))
    touched = observing.observe()
    file.write_text("2")
    os.utime(file, (1.7e9, 1.7e9))

    assert first == touched != observing.observe()


def test_the_project_may_move(observer, tmp_path):
    """A version does not depend on where the project is: an image may have it elsewhere."""
    file = write(tmp_path, "a.csv", "1")
    os.utime(file, (1.7e9, 1.7e9))
    here = observer(local("a")).observe()
    (tmp_path / "elsewhere").mkdir()
    for part in ("data", "manifest.json"):
        (tmp_path / part).rename(tmp_path / "elsewhere" / part)
    moved = Observer(build_definitions(KedroProject(tmp_path / "elsewhere")))

    assert here == moved.observe()


def test_an_input_that_is_not_there(observer, tmp_path):
    """Nothing is reported of it, the log says so, and the others are reported."""
    observing = observer(local("a"), local("b"))
    write(tmp_path, "a.csv", "1")

    assert {"a"} == observing.observe().keys()
    assert observing.success
    expected = f"Input 'b' is not there: nothing at '{tmp_path}/data/b.csv'."
    assert expected in observing.warnings


def test_an_input_that_cannot_be_reached(observer, tmp_path):
    """It fails the run by name at the end; all others are reported."""
    observing = observer(
        local("a"),
        Dataset(name="far", uri="ftp://127.0.0.1:1/x.csv", protocol="ftp", **CSV),
        local("z"),
    )
    write(tmp_path, "a.csv", "1")
    write(tmp_path, "z.csv", "1")

    assert {"a", "z"} == observing.observe().keys()
    assert not observing.success
    (error,) = observing.errors
    assert "Input 'far' was not observed: Cannot look at 'ftp://127.0.0.1:1/x.csv'" in error
    assert "observation.storage_options" in error


def test_some_inputs(observer, tmp_path):
    """Any selection can be observed, as the web interface does with one asset."""
    observing = observer(local("a"), local("b"))
    write(tmp_path, "a.csv", "1")
    write(tmp_path, "b.csv", "1")

    assert {"b"} == observing.observe(["b"]).keys()
    assert observing.success


class Tagged(SimpleHTTPRequestHandler):
    """Serves files with the etag of their content and no time."""

    def end_headers(self):
        """Add the etag."""
        path = Path(self.translate_path(self.path))
        if path.is_file():
            self.send_header("ETag", f'"{md5(path.read_bytes()).hexdigest()}"')
        super().end_headers()

    def send_header(self, keyword, value):
        """Keep the time back."""
        if keyword != "Last-Modified":
            super().send_header(keyword, value)

    def log_message(self, *arguments):
        """Be quiet."""


class Plain(Tagged):
    """Serves files of which nobody can tell when they change."""

    def end_headers(self):
        """Add nothing."""
        SimpleHTTPRequestHandler.end_headers(self)


@pytest.fixture
def serve(tmp_path):
    """Serve the folder `web` over HTTP; return the address."""
    servers = []

    def serving(handler):
        (tmp_path / "web").mkdir()
        server = ThreadingHTTPServer(
            ("127.0.0.1", 0), partial(handler, directory=str(tmp_path / "web"))
        )
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield serving
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join(10)


def over_http(address, name="a"):
    return Dataset(name=name, uri=f"{address}/{name}.csv", protocol="http", **CSV)


def test_versions_by_etag(observer, serve, tmp_path):
    """Where the storage gives an etag, that is what counts, and no time."""
    observing = observer(over_http(serve(Tagged)))
    file = tmp_path / "web/a.csv"
    file.write_text("1")
    first = observing.observe()
    os.utime(file, (1.7e9, 1.7e9))
    touched = observing.observe()
    file.write_text("2")

    assert first == touched != observing.observe()


def test_storage_that_tells_no_versions_apart(observer, serve, tmp_path):
    """Without an etag or a time the error names the key that helps, and it does."""
    address = serve(Plain)
    (tmp_path / "web/a.csv").write_text("1")
    observing = observer(over_http(address))
    assert {} == observing.observe()
    assert "Set `observation: {version_by: content}`" in observing.errors[0]

    observing = observer(over_http(address), observation={"version_by": "content"})
    first = observing.observe()
    (tmp_path / "web/a.csv").write_text("2")
    assert first != observing.observe()


def test_a_server_that_does_not_answer(observer):
    """It is not taken for one that has no such file."""
    observing = observer(over_http("http://127.0.0.1:1"))
    observing.observe()

    assert "Cannot look at 'http://127.0.0.1:1/a.csv': Cannot connect" in observing.errors[0]


def test_a_page_that_is_not_there(observer, serve):
    """A server that has no such file is no error."""
    observing = observer(over_http(serve(Tagged)))

    assert ({}, True) == (observing.observe(), observing.success)


def observed(definitions):
    graph = definitions.resolve_asset_graph()
    return {key.to_user_string() for key in graph.observable_asset_keys}


def names_of_jobs(definitions):
    return {job.name for job in definitions.resolve_all_job_defs()} - {"__ASSET_JOB"}


EVERY_KIND = [
    local("a"),
    Dataset(name="inbox", type="P", kind="partitioned", uri="memory://inbox", protocol="memory"),
    Dataset(name="query", type="pandas.SQLQueryDataset", kind="table", uri="q.sql"),
    Dataset(name="cloud", uri="s3://bucket/x.csv", protocol="s3", **CSV),
    Dataset(name="api", type="api.APIDataset", kind="other"),
]


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        ({}, {"a", "inbox"}),
        ({"datasets": []}, set()),
        ({"datasets": ["a"]}, {"a"}),
        ({"datasets": ["in*", "query"]}, {"inbox", "query"}),
    ],
)
def test_what_is_observed(shop, observation, expected):
    """By default all files that can be looked at from here; all other inputs stay external."""
    definitions = build_definitions(shop(*EVERY_KIND, observation=observation))

    dg.Definitions.validate_loadable(definitions)
    assert expected == observed(definitions)
    external = {
        key.to_user_string() for key in definitions.resolve_asset_graph().external_asset_keys
    }
    assert {"a", "inbox", "query", "cloud", "api"} == external
    assert ("observe_inputs" in names_of_jobs(definitions)) is bool(expected)


@pytest.mark.parametrize(
    ("datasets", "said"),
    [
        (["b"], "there is no free input 'b'"),
        (["joined"], "'joined' is no free input: node 'join' writes it"),
        (["api"], "the catalog names no file or folder for 'api'"),
        (["cloud"], "'cloud' is at 's3://bucket/x.csv', for which no library.*fsspec wants for s3"),
    ],
)
def test_what_cannot_be_observed(shop, datasets, said):
    """What is asked for by name has to work; the error names it and says what to do."""
    with pytest.raises(OrchestrationError, match=rf"dagster\.yml: observation\.datasets: {said}"):
        build_definitions(shop(*EVERY_KIND, observation={"datasets": datasets}))


def test_schedule(shop):
    """`cron_schedule` runs the job by itself, with Dagster's timezone and status."""
    said = {
        "cron_schedule": "*/15 * * * *",
        "execution_timezone": "Europe/Berlin",
        "default_status": "running",
    }
    definitions = build_definitions(shop(local("a"), observation=said))
    (schedule,) = definitions.get_repository_def().schedule_defs

    assert ("observe_inputs", "*/15 * * * *", "Europe/Berlin", "RUNNING") == (
        schedule.job_name,
        schedule.cron_schedule,
        schedule.execution_timezone,
        schedule.default_status.value,
    )


def test_a_schedule_that_dagster_refuses(shop):
    """The error names the entry."""
    with pytest.raises(OrchestrationError, match=r"observation\.cron_schedule: .*sometimes"):
        build_definitions(shop(local("a"), observation={"cron_schedule": "sometimes"}))


class Locked(Tagged):
    """Serves files to those who know the key."""

    def send_head(self):
        """Refuse everybody else."""
        if self.headers.get("X-Key") == "s3cret":
            return super().send_head()
        return self.send_error(403)


def test_storage_options(observer, serve, tmp_path, monkeypatch):
    """Options reach fsspec, secrets in them by the names of variables; a refusal is an error."""
    address = serve(Locked)
    (tmp_path / "web/a.csv").write_text("1")
    observing = observer(over_http(address))
    observing.observe()
    assert "403" in observing.errors[0]

    monkeypatch.setenv("SHOP_KEY", "s3cret")
    options = {"client_kwargs": {"headers": {"X-Key": {"env": "SHOP_KEY"}}}}
    observing = observer(over_http(address), observation={"storage_options": options})
    assert {"a"} == observing.observe().keys()


def test_parts_of_a_project(shop):
    """Two parts may share an input, so none observes it by default; one that names it may."""
    part = build_definitions(shop(local("a")), pipelines=["__default__"])
    dg.Definitions.validate_loadable(part)
    assert set() == observed(part)

    named = build_definitions(
        shop(local("a"), observation={"datasets": ["a"]}), pipelines=["__default__"]
    )
    assert {"a"} == observed(named)
    assert "__default___observe_inputs" in names_of_jobs(named)


def test_left_to_others(shop):
    """Without external assets there is nothing to observe, either."""
    definitions = build_definitions(shop(local("a")), external_assets=False)

    assert (set(), {"__default__"}) == (observed(definitions), names_of_jobs(definitions))


def test_inputs_that_another_project_makes(tmp_path, manifest, node):
    """A free input that is another project's asset is not observed: it is materialized."""
    shared = tmp_path / "sales/revenue.csv"
    written = Dataset(name="revenue", uri="revenue.csv", **CSV)
    read = Dataset(name="income", uri=str(shared), protocol="file", **CSV)
    manifests = {
        "sales": manifest(node("sum_up", ["orders"], ["revenue"]), datasets=[written]),
        "hr": manifest(
            node("pay", ["income", "people"], ["wages"]),
            datasets=[read],
            orchestration={"observation": {"datasets": ["income", "people"]}},
        ),
    }
    projects = []
    for name, content in manifests.items():
        write_manifest(content, tmp_path / name / "manifest.json")
        projects.append(KedroProject(tmp_path / name, key_prefix=name))
    definitions = build_definitions(*projects)

    dg.Definitions.validate_loadable(definitions)
    assert {"sales/orders", "hr/people"} == observed(definitions)
    assert {"sales_observe_inputs", "hr_observe_inputs"} <= names_of_jobs(definitions)


def test_a_changed_input_triggers_automation(observer, tmp_path):
    """Assets that are `eager` are asked for when their input is there, and whenever it changes."""
    observing = observer(local("a"), assets={"joined": {"automation": "eager"}})
    cursor = None

    def requested():
        nonlocal cursor
        result = dg.evaluate_automation_conditions(
            defs=observing.definitions, instance=observing.instance, cursor=cursor
        )
        cursor = result.cursor
        return result.get_num_requested(dg.AssetKey("joined"))

    asked = [requested()]
    for text in ("1", None, "22", None):
        if text:
            write(tmp_path, "a.csv", text)
        observing.observe()
        asked.append(requested())

    assert [0, 1, 0, 1, 0] == asked


def test_an_input_is_observed_by_a_condition(observer):
    """An input with `on_cron` is observed so often, without the schedule."""
    hourly = {"on_cron": "0 * * * *"}
    observing = observer(local("a"), local("b"), assets={"a": {"automation": hourly}})
    noon = datetime(2026, 1, 1, 12, 0, 30, tzinfo=timezone.utc)
    asked = []
    cursor = None
    for minutes in (0, 60, 61, 120):
        result = dg.evaluate_automation_conditions(
            defs=observing.definitions,
            instance=observing.instance,
            cursor=cursor,
            evaluation_time=noon + timedelta(minutes=minutes),
        )
        cursor = result.cursor
        asked.append([result.get_num_requested(dg.AssetKey(name)) for name in "ab"])

    assert [[0, 0], [1, 0], [0, 0], [1, 0]] == asked
    sensors = observing.definitions.get_repository_def().sensor_defs
    assert ["default_automation_condition_sensor"] == [sensor.name for sensor in sensors]
