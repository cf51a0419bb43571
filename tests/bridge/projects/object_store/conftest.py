"""A real S3 server, and copies of a project whose data is there, each in a bucket of its own."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest

REPOSITORY = Path(__file__).parents[4]
PROJECT = REPOSITORY / "tests/projects/buckets"
FLIGHTS = {"monday": [10, 20], "tuesday": [30]}
_VERSION = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z")
_STARTING_S = 60
_OWN_CREDENTIALS = """
lake:
  key: {LAKE_KEY}
  secret: {LAKE_SECRET}
  client_kwargs: {{endpoint_url: "{LAKE_URL}"}}
"""


class Server:
    """An S3 server, looked at through its REST interface: this environment has no S3 library."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, path: str, data: bytes | None = None) -> bytes:
        """Return an answer."""
        url = f"{self.url}/{quote(path, '/?=&')}"
        # What nobody signs is refused; without a type, data would be taken for a form.
        headers = {"Authorization": "AWS test:unchecked", "Content-Type": "binary/octet-stream"}
        request = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read()

    def keys(self, bucket: str) -> list[str]:
        """Return the keys of all objects in a bucket, sorted."""
        listed = ET.fromstring(self.ask("GET", f"{bucket}?list-type=2"))
        return sorted(str(each.text) for each in listed.iter() if each.tag.endswith("}Key"))

    def objects(self, bucket: str) -> dict[str, bytes]:
        """Return what is in each object of a bucket, by its key; versions are all called alike."""
        return {
            _VERSION.sub("<version>", key): self.ask("GET", f"{bucket}/{key}")
            for key in self.keys(bucket)
        }

    def buckets(self) -> list[str]:
        """Return the names of all buckets."""
        listed = ET.fromstring(self.ask("GET", ""))
        return [str(each.text) for each in listed.iter() if each.tag.endswith("}Name")]

    def is_up(self) -> bool:
        """Tell whether it answers."""
        try:
            return bool(self.ask("GET", ""))
        except OSError:
            return False


class Access(NamedTuple):
    """What a worker needs to know of the server: one key for the catalog, another for the store."""

    variables: dict[str, str]
    secrets: list[str]


class Lake(NamedTuple):
    """A copy of the project, and the bucket that its data is in."""

    folder: Path
    bucket: str


@pytest.fixture(scope="session")
def gateway() -> str:
    """Return an address of this machine that containers can reach as well, if there is an engine."""
    command = ["docker", "network", "inspect", "bridge", "--format"]
    try:
        found = subprocess.run(
            [*command, "{{json (index .IPAM.Config 0)}}"],
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return "127.0.0.1"
    network = json.loads(found.stdout)
    # An engine that has just made its bridge does not name the gateway, which is the first address.
    return network.get("Gateway") or str(next(ip_network(network["Subnet"]).hosts()))


@pytest.fixture(scope="session")
def server(kedro_python, gateway, tmp_path_factory) -> Iterator[Server]:
    """Start moto's server, which keeps all in its memory."""
    with socket.socket() as probe:
        probe.bind((gateway, 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("s3") / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [kedro_python.with_name("moto_server"), "--host", gateway, "--port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        server = Server(f"http://{gateway}:{port}")
        deadline = time.monotonic() + _STARTING_S
        while not server.is_up():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield server
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="session")
def access(server) -> Access:
    """Return the variables by which workers reach the server, and which of them are secrets."""
    secrets = [uuid.uuid4().hex for _ in range(4)]
    variables = {
        "LAKE_URL": server.url,
        "LAKE_KEY": secrets[0],
        "LAKE_SECRET": secrets[1],
        "FSSPEC_S3_ENDPOINT_URL": server.url,
        "FSSPEC_S3_KEY": secrets[2],
        "FSSPEC_S3_SECRET": secrets[3],
    }
    return Access(variables, secrets)


@pytest.fixture(scope="session")
def make_lake(server, access, tmp_path_factory) -> Callable[..., Lake]:
    """Copy the project, with a bucket of its own that holds the raw data."""

    def make(bucket: str, *, own_credentials: bool = False) -> Lake:
        folder = tmp_path_factory.mktemp("project") / "buckets"
        shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "conf/base/globals.yml").write_text(f"lake: s3://{bucket}\n")
        if own_credentials:
            written = _OWN_CREDENTIALS.format(**access.variables)
            (folder / "conf/local/credentials.yml").write_text(written)
        server.ask("PUT", bucket)
        server.ask("PUT", f"{bucket}/01_raw/flights.json", json.dumps(FLIGHTS).encode())
        return Lake(folder, bucket)

    return make


@pytest.fixture(scope="session")
def by_kedro(make_lake, kedro_run, server, with_access) -> dict[str, bytes]:  # noqa: ARG001
    """Return the objects that `kedro run` leaves in its bucket."""
    lake = make_lake("by-kedro")
    kedro_run(lake.folder)
    return server.objects(lake.bucket)


@pytest.fixture(scope="session")
def with_access(access) -> Iterator[None]:
    """Let this process, in which Dagster runs, have the variables."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in access.variables.items():
            patch.setenv(name, value)
        yield


@pytest.fixture
def check(kedro_python) -> Callable[..., tuple[dict[str, dict], str]]:
    """Check a project; return what is found in it, by code, and all that was printed."""

    def run(folder: Path, *options: str) -> tuple[dict[str, dict], str]:
        result = subprocess.run(
            [kedro_python, "-m", "kedro_pipes", "check", "--json", *options],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert result.stdout, result.stderr
        found = json.loads(result.stdout)["findings"]
        return {each["code"]: each for each in found}, result.stdout + result.stderr

    return run
