"""The compose stack, brought up and taken down as a user would, with the example in it.

The tests stand in the order of a stack's life: each takes it as the one before has left it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterRunStatus
from dagster_graphql import DagsterGraphQLClient
from tenacity import retry, stop_after_delay, wait_fixed

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("stack"),
]

REPOSITORY = Path(__file__).parents[2]
PROJECT = REPOSITORY / ".build/stack/nyc_flights"
NAME = "nyc_flights"
ENDED = {DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED}
ASK_ENGINE = """
import json, sys, urllib.request, urllib.error
method, path, body = sys.argv[1:]
headers = {"Content-Type": "application/json"}
request = urllib.request.Request("http://engine-proxy:2375" + path, body.encode() or None, headers, method=method)
try:
    print(urllib.request.urlopen(request).status)
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""


def docker(*arguments: str) -> str:
    return subprocess.run(
        ["docker", *arguments], check=True, capture_output=True, text=True, timeout=120
    ).stdout.strip()


def make(target: str, **variables: str) -> subprocess.CompletedProcess[str]:
    settings = [f"{name}={value}" for name, value in variables.items()]
    return subprocess.run(
        ["make", target, *settings], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def stack() -> Iterator[str]:
    """A running stack, in which the example was materialized; what `make stack` has printed."""
    for command in (
        ["docker", "info"],
        ["docker", "compose", "version"],
        ["docker-compose", "version"],
    ):
        if (
            shutil.which(command[0]) is None
            or subprocess.run(command, capture_output=True, check=False).returncode
        ):
            pytest.skip(f"`{' '.join(command)}` fails: the stack needs Docker, Compose v2 and 1.29")
    make("stack-down", COMPOSE="docker compose")
    made = make("stack", COMPOSE="docker compose")
    yield made.stdout + made.stderr
    make("stack-down", COMPOSE="docker compose")


def client() -> DagsterGraphQLClient:
    return DagsterGraphQLClient("localhost", port_number=3000)


def wait_for_end(run_id: str, within_s: float = 300) -> DagsterRunStatus:
    deadline = time.monotonic() + within_s
    while (status := client().get_run_status(run_id)) not in ENDED and time.monotonic() < deadline:
        time.sleep(1)
    return status


def wait_for_worker(within_s: float = 60) -> str:
    """Return a container that runs a group of nodes."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if found := containers("group").split():
            return found[0]
        time.sleep(0.2)
    pytest.fail("No worker has come.")


def containers(service: str, *options: str) -> str:
    labels = [
        f"label=com.docker.compose.{key}" for key in (f"project={NAME}", f"service={service}")
    ]
    return docker("ps", "--quiet", *options, "--filter", labels[0], "--filter", labels[1])


def compose(version: str, *arguments: str) -> None:
    """Run `docker compose` or `docker-compose` on the files of the stack."""
    command = [*version.split(), "-f", "docker/compose.yaml", *arguments]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)


def count_runs() -> int:
    answer = client()._execute("{ runsOrError { ... on Runs { count } } }")
    return answer["runsOrError"]["count"]


def service(name: str) -> str:
    return f"{NAME}-{name}-1"


def ask_engine(method: str, path: str, body: object = None) -> str:
    """Ask the engine as the daemon would, through the proxy."""
    text = json.dumps(body) if body is not None else ""
    return docker("exec", service("daemon"), "python", "-c", ASK_ENGINE, method, path, text)


def test_up(stack):
    """One command brings it up, materializes the example, and shows a container for each group."""
    assert "SUCCESS: 25 assets" in stack
    assert stack.count("nyc_flights-worker") >= 10


def test_nothing_is_left_of_the_run():
    """Containers of the run and its groups are gone when it has ended."""
    deadline = time.monotonic() + 15
    while containers("run", "--all") and time.monotonic() < deadline:
        time.sleep(0.5)

    assert (containers("run", "--all"), containers("group", "--all")) == ("", "")


def test_two_environments():
    """The worker's image has no Dagster, the code location's no Kedro, and neither an installer."""
    listing = "import importlib.metadata as m; print(*{d.name.lower() for d in m.distributions()})"
    installed = {
        image: set(docker("run", "--rm", f"{NAME}-{image}", "python", "-c", listing).split())
        for image in ("worker", "code-location")
    }

    assert "kedro" in installed["worker"]
    assert "dagster" not in installed["worker"]
    assert {"dagster", "dagster-docker", "dagster-k8s"} <= installed["code-location"]
    assert not {"kedro", "pip"} & installed["code-location"]
    assert "pip" not in installed["worker"]


def test_secrets_are_not_shown():
    """Who may look at containers does not see the database's password."""
    password = (PROJECT / "docker/secrets/postgres_password").read_text()
    ids = docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={NAME}")

    assert len(password) > 20
    assert password not in docker("inspect", *ids.split())


def test_workers_are_apart():
    """A worker reaches neither the database nor the engine, and writes only where it may."""
    tried = [
        "import socket, pathlib",
        "def can(act):",
        "    try: act()",
        "    except OSError: return False",
        "    return True",
        "print([can(lambda: socket.create_connection((h, p), 3)) for h, p in [('postgres', 5432), ('engine-proxy', 2375)]])",
    ]
    shown = docker(
        "run",
        "--rm",
        "--network",
        f"{NAME}_workers",
        f"{NAME}-worker",
        "python",
        "-c",
        "\n".join(tried),
    )

    assert shown == "[False, False]"


def test_proxy_lets_through_what_is_needed():
    """Dagster sees images and its containers, as it must."""
    assert ask_engine("GET", "/version").startswith("200")
    assert ask_engine("GET", f"/v1.41/images/{NAME}-worker/json").startswith("200")
    assert ask_engine("GET", f"/v1.41/containers/{service('daemon')}/json").startswith("200")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1.41/containers/json", None),
        ("GET", "/v1.41/secrets", None),
        ("GET", "/v1.41/containers/../containers/json", None),
        ("POST", "/v1.41/build", {}),
        ("POST", f"/v1.41/containers/{NAME}-postgres-1/exec", {"Cmd": ["env"]}),
        ("POST", "/v1.41/volumes/create", {"Driver": "local"}),
        ("DELETE", f"/v1.41/images/{NAME}-worker", None),
    ],
    ids=str,
)
def test_proxy_refuses(method, path, body):
    """What Dagster has no need of is refused, and it is told by whom."""
    answer = ask_engine(method, path, body)

    assert answer.startswith("403")
    assert "docker/haproxy.cfg" in answer


@pytest.mark.parametrize(
    "host_config",
    [
        {"Privileged": True},
        {"privileged": True},
        {"PidMode": "host"},
        {"Binds": ["/:/host"]},
        {"Binds": ["fine:/fine", "/etc:/host"]},
        {"Mounts": [{"Type": "bind", "Source": "/", "Target": "/host"}]},
        {"CapAdd": ["SYS_ADMIN"]},
        {"Devices": [{"PathOnHost": "/dev/sda"}]},
        {"SecurityOpt": ["seccomp=unconfined"]},
        {"Mounts": [{"Type": "volume", "VolumeOptions": {"DriverConfig": {"Name": "local"}}}]},
    ],
    ids=str,
)
def test_proxy_keeps_the_machine(host_config):
    """No container is created that asks for the machine itself."""
    body = {"Image": f"{NAME}-worker", "HostConfig": host_config}
    answer = ask_engine("POST", "/v1.41/containers/create?name=greedy", body)

    assert answer.startswith("403")
    assert "asks for the machine itself" in answer


def test_killed_services_harm_no_run():
    """A run goes on while code location, daemon and web server are killed, and ends well."""
    run_id = client().submit_job_execution("__default__")
    wait_for_worker()
    killed = [service(name) for name in ("code-location", "daemon", "webserver")]
    docker("kill", *killed)
    time.sleep(5)
    docker("start", *killed)
    wait_for_webserver()

    assert wait_for_end(run_id) is DagsterRunStatus.SUCCESS


def test_killed_run_fails_and_leaves_no_worker():
    """A run whose container is killed is told as failed, and its workers end by themselves."""
    run_id = client().submit_job_execution("__default__")
    worker = wait_for_worker()
    docker("kill", *containers("run").split())
    time.sleep(3)

    assert docker("inspect", "--format", "{{.State.Running}}", worker) == "false"
    assert wait_for_end(run_id) is DagsterRunStatus.FAILURE


def test_older_compose():
    """The same files, images and volumes serve with docker-compose 1.29; runs are remembered."""
    before = count_runs()
    compose("docker compose", "down", "--remove-orphans")
    compose("docker-compose", "up", "--detach")
    wait_for_webserver()
    run_id = client().submit_job_execution("__default__")

    assert wait_for_end(run_id) is DagsterRunStatus.SUCCESS
    assert count_runs() == before + 1


def test_down_in_the_middle_of_a_run():
    """One command ends it, a run and its workers included; nothing is left but base images."""
    client().submit_job_execution("__default__")
    wait_for_worker()
    taken_down = make("stack-down", COMPOSE="docker-compose")

    assert taken_down.returncode == 0, taken_down.stdout + taken_down.stderr
    assert "Left: 0 containers, 0 volumes, 0 networks" in taken_down.stdout
    assert docker("images", "--quiet", f"{NAME}-*") == ""


@retry(stop=stop_after_delay(60), wait=wait_fixed(1), reraise=True)
def wait_for_webserver() -> None:
    """Wait until the web server has loaded the code location."""
    query = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"

    assert client()._execute(query)["repositoriesOrError"]["nodes"]
