"""Catalog and store on an S3 server, from containers that see nothing of this machine's disk."""

import json
import os
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

pytestmark = [pytest.mark.s3, pytest.mark.usefixtures("with_access")]

REPOSITORY = Path(__file__).parents[4]
IMAGE = "kedro-dagster-pipes-buckets:test"


def docker(*arguments, timeout=60, **options):
    return subprocess.run(
        ["docker", *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=timeout,
        **options,
    ).stdout


def build_image(folder):
    """Build the project's own image, as its users would, with this checkout's package."""
    wheel = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder / "wheels")]
    subprocess.run([*wheel, str(REPOSITORY)], check=True, capture_output=True)
    file = str(REPOSITORY / "docker/Dockerfile")
    options = ["--network", "host", "--quiet", "--target", "worker", "--tag", IMAGE, "--file", file]
    docker("build", *options, str(folder), timeout=250, env={**os.environ, "DOCKER_BUILDKIT": "0"})
    shutil.rmtree(folder / "wheels")


class Watch:
    """What `docker inspect` says of containers while they run."""

    def __init__(self):
        self.seen = {}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self):
        while not self._is_over.wait(0.1):
            listed = docker("ps", "-q", "--no-trunc", "--filter", f"ancestor={IMAGE}").split()
            for container in set(listed) - self.seen.keys():
                with suppress(subprocess.CalledProcessError):  # gone meanwhile
                    (self.seen[container],) = json.loads(docker("inspect", container))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join()


@pytest.fixture(scope="module")
def both(make_lake, by_kedro, export, run_job, server):
    """What `kedro run` has left from this machine, and a run in containers."""
    try:
        docker("info")
    except (OSError, subprocess.SubprocessError):
        pytest.skip("no Docker engine answers `docker info`: start one, as root or in its group")
    lake = make_lake("by-containers")
    build_image(lake.folder)
    export(lake.folder, "--env", "containers")
    with Watch() as watch:
        run = run_job(lake.folder, "__default__", project_options={"env": "containers"})
    assert run.success, run.errors
    return SimpleNamespace(
        lake=lake,
        run=run,
        containers=list(watch.seen.values()),
        expected=by_kedro,
        actual=server.objects(lake.bucket),
    )


def test_outputs_are_equal(both):
    """Containers share nothing but the bucket, and leave what `kedro run` leaves."""
    groups = {each["Config"]["Labels"]["kedro-pipes/group"] for each in both.containers}

    assert {"split", "add_up", "fit", "judge", "report"} <= groups
    assert [] == [each["Mounts"] for each in both.containers if each["Mounts"]]
    assert both.expected == both.actual
    assert both.run.materializations["totals"]["kedro/staged_at"].startswith("s3://by-containers/")


def test_secrets_are_where_they_were_handed_to(both, access):
    """`docker inspect` shows them in the variables that `pass_env` names, and nowhere else."""
    allowed = {f"{name}={value}" for name, value in access.variables.items()}
    for container in both.containers:
        given = container["Config"]["Env"]
        container["Config"]["Env"] = [each for each in given if each not in allowed]

        assert allowed <= set(given)
        assert [] == [each for each in access.secrets if each in json.dumps(container)]


def test_no_secret_gets_out(both, access):
    """Neither the manifest, the event log nor the image holds a key."""
    told = (both.lake.folder / "manifest.json").read_text()
    told += "\n".join(entry.to_json() for entry in both.run.entries)
    told += docker("history", "--no-trunc", IMAGE) + docker("inspect", IMAGE)

    assert "s3://by-containers/06_models/model.pickle" in told
    assert [] == [secret for secret in access.secrets if secret in told]


def test_check_knows_what_containers_see(both, check):
    """It has nothing to say of this project, until a variable is not handed on."""
    lake = both.lake.folder
    sound, _ = check(lake, "--env", "containers")
    file = lake / "conf/containers/dagster.yml"
    file.write_text(file.read_text().replace("LAKE_*", "LAKE_KEY"))
    found, _ = check(lake, "--env", "containers")

    assert {} == sound
    assert ["unset-variable"] == list(found)
