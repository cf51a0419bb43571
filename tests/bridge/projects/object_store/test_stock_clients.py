"""Whole projects through Dagster's own Pipes clients, with context and messages in a bucket.

The page docs/how-to/use-other-clients.md says the same for clients that only a cloud has.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster_kedro import KedroStockClient

pytestmark = pytest.mark.s3

REPOSITORY = Path(__file__).parents[4]
IMAGE = "kedro-dagster-pipes-stock:test"
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


@pytest.fixture(scope="module")
def bucket(server):
    """A bucket for context and messages: what dagster-aws has for both, and the variables of workers."""
    boto3 = pytest.importorskip("boto3", reason="`make environments` installs dagster-aws")
    pipes = pytest.importorskip("dagster_aws.pipes", reason="`make environments` installs it")
    s3 = boto3.client("s3", endpoint_url=server.url, region_name="us-east-1", **KEYS)
    server.ask("PUT", "stock")
    variables = {name.upper(): value for name, value in KEYS.items()}
    return {
        "injector": lambda: pipes.PipesS3ContextInjector(bucket="stock", client=s3),
        "reader": lambda: pipes.PipesS3MessageReader(bucket="stock", client=s3, interval=1),
        "env": {"AWS_ENDPOINT_URL": server.url, "DO_NOT_TRACK": "1", **variables},
    }


@pytest.fixture
def as_processes(bucket, kedro_python):
    """A client that runs each worker through `PipesSubprocessClient`, in some folder."""

    def client(folder):
        def run(launch):
            stock = dg.PipesSubprocessClient(
                cwd=str(folder),
                env={**bucket["env"], **launch.env},
                context_injector=launch.injector(bucket["injector"]()),
                message_reader=launch.reader(bucket["reader"]()),
            )
            command = [str(kedro_python), "-m", "kedro_pipes"]
            stock.run(command=command, context=launch.context, extras=launch.extras)

        return KedroStockClient.calling(run)

    return client


def test_several_groups(as_processes, copy_of, run_job):
    """Each group is a call of the client, and its assets are told with all that we know of them."""
    folder = copy_of("relay")
    finished = run_job(folder, "versions", client=as_processes(folder))
    made = finished.materializations

    assert finished.success, finished.errors
    assert ["model", "score", "quoted"] == finished.materialized
    assert 3 == len(set(finished.process_ids.values()))
    assert {"train", "judge", "quote"} == {each["kedro/node"] for each in made.values()}
    assert [] == [text for _, text in finished.logged if "did not receive" in text]


@pytest.fixture
def misbehave(as_processes, copy_of, run_job):
    """Run the project whose node does what it is told."""

    def run(behaviour):
        folder = copy_of("misbehaving")
        (folder / "data").mkdir()
        parameters = {"behaviour": behaviour}
        return run_job(folder, "alone", client=as_processes(folder), parameters=parameters)

    return run


def test_exit_0_is_no_success(misbehave):
    """A worker that leaves in the middle of a node is content, and so is the client: we are not."""
    finished = misbehave("exit_0")

    assert not finished.success
    assert [] == finished.materialized
    assert "without its closing message" in finished.error


def test_a_node_that_fails(misbehave):
    """What its worker says of it is the reason, and not the client's exit code."""
    finished = misbehave("raise_error")

    assert not finished.success
    assert "Node 'only' failed while running it: ZeroDivisionError" in finished.error


def test_a_client_that_fails(misbehave):
    """Where the worker gives no reason, the client's words are."""
    finished = misbehave("kill_itself")

    assert not finished.success
    assert "WorkerExitedError: The worker of group 'only' failed: " in finished.error
    assert "-9" in finished.error


def docker(*arguments, timeout=60, **options):
    return subprocess.run(
        ["docker", *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=timeout,
        **options,
    ).stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The worker's image with a library for S3, as docker/Dockerfile makes it."""
    try:
        docker("info")
    except (OSError, subprocess.SubprocessError):
        pytest.skip("no Docker engine answers `docker info`: start one, as root or in its group")
    folder = tmp_path_factory.mktemp("image")
    wheel = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder / "wheels")]
    subprocess.run([*wheel, str(REPOSITORY)], check=True, capture_output=True)
    requirements = (
        "kedro~=1.7.0\nkedro-datasets[json-jsondataset,pickle-pickledataset]~=9.6\ns3fs\n"
    )
    (folder / "requirements.txt").write_text(requirements)
    file = str(REPOSITORY / "docker/Dockerfile")
    options = ["--network", "host", "--quiet", "--target", "worker", "--tag", IMAGE, "--file", file]
    docker("build", *options, str(folder), timeout=250, env={**os.environ, "DOCKER_BUILDKIT": "0"})
    return IMAGE


@pytest.fixture
def in_containers(bucket, image):
    """A client that runs each worker through `PipesDockerClient`."""
    pipes = pytest.importorskip("dagster_docker", reason="`make environments` installs it")

    def client(folder, label):
        def run(launch):
            stock = pipes.PipesDockerClient(
                env={**bucket["env"], **launch.env},
                context_injector=launch.injector(bucket["injector"]()),
                message_reader=launch.reader(bucket["reader"]()),
            )
            launch.on_stop(lambda: kill(label))
            stock.run(
                image=image,
                command=["python", "-m", "kedro_pipes"],
                context=launch.context,
                extras=launch.extras,
                container_kwargs={
                    "working_dir": str(folder),
                    "volumes": [f"{folder}:{folder}"],
                    "user": "0",
                    "labels": {"stock": label},
                },
            )

        return KedroStockClient.calling(run, grace_s=20)

    return client


def containers(label):
    return docker("ps", "--quiet", "--filter", f"label=stock={label}").split()


def kill(label):
    docker("kill", *containers(label))


def test_containers(in_containers, copy_of, run_job):
    """A client that is Dagster's own, an engine and a store that are real: all is as with ours."""
    folder = copy_of("relay")
    finished = run_job(folder, "versions", client=in_containers(folder, "relay"))

    assert finished.success, finished.errors
    assert ["model", "score", "quoted"] == finished.materialized
    assert json.loads((folder / "data/quoted.json").read_text())
    assert [] == containers("relay")


def test_stopping_a_container(in_containers, copy_of, run_job):
    """A worker that takes too long is ended by what the function has said for it."""
    folder = copy_of("misbehaving")
    (folder / "data").mkdir()
    finished = run_job(
        folder,
        "alone",
        client=in_containers(folder, "late"),
        parameters={"behaviour": "hang"},
        worker={"timeout_s": 8},
    )

    assert not finished.success
    assert "WorkerTimedOutError" in finished.error
    assert (folder / "data/hanging").exists()
    assert [] == containers("late")
