"""The example with a pod for each group, as docs/how-to/use-kubernetes.md has it for kind."""

import json
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
import yaml
from conformance_clients import REPOSITORY, KubernetesUnderTest, build_worker, docker, image_there
from kedro_manifest.labels import GROUP_LABEL, PROJECT_LABEL

pytestmark = [pytest.mark.k8s, pytest.mark.timeout(900)]

EXAMPLE = REPOSITORY / "docs/examples/nyc_flights"
COMPARE = REPOSITORY / "tests/bridge/compare_outputs.py"
IGNORED = shutil.ignore_patterns("__pycache__", ".kedro-pipes", "manifest.json", "data")
IMAGE = "kedro-dagster-pipes-flights:test"
OURS = f"{PROJECT_LABEL}=flights-in-pods"


class PodsSeen:
    """The pods of the run, as whoever looks all the time sees them: group by name.

    Args:
        adapter: Knows the cluster.
    """

    def __init__(self, adapter):
        self.groups = {}
        self._adapter = adapter
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _look(self):
        api = self._adapter.api()
        while not self._ended.wait(0.1):
            for pod in api.list_pods(OURS).items:
                self.groups[pod.metadata.name] = pod.metadata.annotations[GROUP_LABEL]
        api.close()


@pytest.fixture(scope="module")
def adapter():
    """The double or the cluster, with what it can say of pods."""
    found = KubernetesUnderTest("k8s-stdout", "stdout")
    if reason := found.missing():
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def project(adapter, export, tmp_path_factory):
    """The example with the page's `dagster.yml`; only image, cluster and path are those of the test."""
    folder = tmp_path_factory.mktemp("pods") / "flights-in-pods"
    shutil.copytree(EXAMPLE, folder, ignore=IGNORED)
    (folder / "conf/local").mkdir(exist_ok=True)
    page = (REPOSITORY / "docs/how-to/use-kubernetes.md").read_text()
    said = yaml.safe_load(
        re.search(r"```yaml\n(# conf/base/dagster.yml.*?)```", page, re.DOTALL)[1]
    )
    (folder / "data").mkdir()
    (folder / "data").chmod(0o777)  # the image's user is another one
    client = said["clients"]["default"]
    client["image"] = image_there("TESTS_FLIGHTS_IMAGE", IMAGE) or build_worker(folder, IMAGE)
    client["kubeconfig"] = adapter.options("")["kubeconfig"]
    (volume,) = client["pod"]["pod_spec_config"]["volumes"]
    volume["host_path"]["path"] = str(folder / "data")
    (folder / "conf/base/dagster.yml").write_text(yaml.safe_dump(said))
    export(folder, "--env", "sample")
    return folder


@pytest.fixture(scope="module")
def flights(adapter, project, run_job):
    """The run of all assets, and the pods that were there meanwhile."""
    with PodsSeen(adapter) as pods:
        finished = run_job(project, "__default__", project_options={"env": "sample"})
    return finished, pods.groups


def test_one_pod_for_each_group(flights):
    """Each group had a pod of its own, one more has removed what was staged, and all went well."""
    finished, groups = flights
    told = [re.match(r"\[(.*?)\] Worker started", text) for _, text in finished.logged]
    started = sorted(found[1] for found in told if found)

    assert finished.success, finished.errors
    assert sorted([*started, "remove staged data"]) == sorted(groups.values())
    assert len(started) == len(set(started)) > 10


@pytest.mark.usefixtures("flights")
def test_what_is_saved_is_right(project, kedro_python, tmp_path):
    """All that the pods have saved is what `kedro run` saves, by value."""
    by_kedro = tmp_path / "flights"
    shutil.copytree(EXAMPLE, by_kedro, ignore=IGNORED)
    (by_kedro / "conf/local").mkdir(exist_ok=True)
    kedro = kedro_python.with_name("kedro")
    subprocess.run([kedro, "run", "--env", "sample"], cwd=by_kedro, check=True)
    compared = subprocess.run(
        [kedro_python, COMPARE, by_kedro, project, "sample"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(compared.stdout.splitlines()[-1])

    assert found["different"] == []
    assert {"features", "departures_by_month", "boosting.predictions"} <= set(found["compared"])


def test_the_report_is_right(flights):
    """Tables are described by what the pods have saved."""
    finished, _ = flights
    departures = finished.materializations["departures"]

    assert departures["dagster/row_count"] > 20_000
    assert "dep_delay" in [each.name for each in departures["dagster/column_schema"].columns]


def test_nothing_is_left(flights, adapter, project):
    """Neither pods nor their containers are left, nor what was staged between them."""
    assert flights[0].success
    assert [] == adapter.api().list_pods(OURS).items
    assert "" == docker("ps", "--all", "--quiet", "--filter", f"label={OURS}")
    assert [] == [each for each in Path(project, "data/staging").rglob("*") if each.is_file()]
