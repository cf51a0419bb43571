"""What each client needs to be put through the conformance tests: one small class a client.

To add a client, write a class with these methods, in whatever way its workers can be found and
killed, and add it to `CLIENTS`. The tests stay as they are.
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from dagster_kedro import KedroClient, KedroSubprocessClient
from dagster_kedro.clients.base import WorkerExit
from dagster_kedro.clients.docker import KedroDockerClient
from dagster_kedro.clients.kubernetes import KedroK8sClient
from dagster_kedro.clients.kubernetes.api import KubernetesApi
from dagster_kedro.clients.scripted import Script, ScriptedClient
from dagster_kedro.clients.ssh import KedroSshClient
from kedro_manifest.labels import STARTED_BY_LABEL

PROGRAMS = Path(__file__).parent / "programs"
TOKEN = "CONFORMANCE_TOKEN"
"""Variable by which everything that a test's workers start can be found again."""
GRACE_S = 1.0
REPOSITORY = Path(__file__).parents[3]
WORKER_IMAGE = "kedro-dagster-pipes-worker:test"


class SubprocessUnderTest:
    """Processes on this machine, found by a variable that they inherit.

    Args:
        name: Name among the tests' parameters.
        messages: How messages travel.
    """

    _start = "cold"

    def __init__(self, name: str, messages: str) -> None:
        self.name = name
        self.shares_stream = messages == "stdout"
        self._messages = messages

    def client(self, token: str, **options: Any) -> KedroClient:
        """Return a client whose workers can be found by a token."""
        return KedroSubprocessClient(
            messages=self._messages,
            start=self._start,
            grace_s=GRACE_S,
            env={TOKEN: token, **options.pop("env", {})},
            **options,
        )

    def client_source(self, token: str) -> str:
        """Return the same as source text, for a definitions file."""
        return (
            "__import__('dagster_kedro').KedroSubprocessClient("
            f"messages={self._messages!r}, start={self._start!r}, grace_s={GRACE_S}, "
            f"env={{{TOKEN!r}: {token!r}}})"
        )

    def wire_client(self, row: str, token: str) -> KedroClient:  # noqa: ARG002
        """Return a client for a row of `programs/wire.py`: it runs the program."""
        return self.client(token)

    def command(self, python: Path, program: str, *arguments: str) -> list[str]:
        """Return the command that starts one of `programs` where the workers are."""
        return [str(python), str(PROGRAMS / program), *arguments]

    def worker(self, token: str) -> int:
        """Return the worker's process, which the orchestrator has started itself."""
        leaders = [pid for pid in processes_with(token) if pid == os.getpgid(pid)]
        # The guardian leads a group as well, but is nobody's child.
        (worker,) = [pid for pid in leaders if parent_of(pid) != 1]
        return worker

    def kill_worker(self, token: str) -> None:
        """Kill the worker behind the orchestrator's back."""
        os.kill(self.worker(token), signal.SIGKILL)

    def orchestrator(self, token: str) -> int:
        """Return the process of the Dagster step that has started the worker."""
        return parent_of(self.worker(token))

    def leftovers(self, token: str, within_s: float = 5.0) -> list[str]:
        """Return what is left of the workers and all that they started, after some patience."""
        deadline = time.monotonic() + within_s
        while (left := processes_with(token)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return [f"{pid}: {command_of(pid)}" for pid in left]

    def light_worker(self, python: Path, folder: Path) -> dict[str, Any]:
        """Return client options that start `programs/light_worker.py` instead of our worker."""
        wrapper = folder / "light-worker"
        wrapper.write_text(f"#!/bin/sh\nexec {python} {PROGRAMS / 'light_worker.py'}\n")
        wrapper.chmod(0o755)
        return {"python": str(wrapper)}

    @contextmanager
    def little_memory(
        self, python: Path, limit_bytes: int, folder: Path
    ) -> Iterator[dict[str, Any]]:
        """Yield client options that give its workers no more memory than this: a real limit."""
        with control_group(limit_bytes) as group:
            wrapper = folder / "python-with-little-memory"
            wrapper.write_text(f'#!/bin/sh\necho $$ > {group}/cgroup.procs\nexec {python} "$@"\n')
            wrapper.chmod(0o755)
            yield {"python": str(wrapper)}


class WarmUnderTest(SubprocessUnderTest):
    """Processes that a conductor forks. It starts programs as without one: nothing to test again."""

    _start = "warm"
    starts_programs = False

    def worker(self, token: str) -> int:
        """Return the worker's process, which the conductor has forked."""
        leaders = [pid for pid in processes_with(token) if pid == os.getpgid(pid)]
        (worker,) = [pid for pid in leaders if parent_of(pid) in leaders]
        return worker

    def conductor(self, token: str) -> int:
        """Return the conductor's process."""
        return parent_of(self.worker(token))

    def orchestrator(self, token: str) -> int:
        """Return the process of the Dagster step that has started the conductor."""
        return parent_of(self.conductor(token))

    def light_worker(self, python: Path, folder: Path) -> dict[str, Any]:  # noqa: ARG002
        """Return no options: what is forked is light enough."""
        return {}


class DockerUnderTest:
    """Containers of the engine of this machine, found by a label and by a variable.

    Args:
        name: Name among the tests' parameters.
        messages: How messages travel.
    """

    def __init__(self, name: str, messages: str) -> None:
        self.name = name
        self.shares_stream = messages == "stdout"

    def missing(self) -> str | None:
        """Return why containers cannot be tried here, and how they could."""
        try:
            subprocess.run(["docker", "info"], check=True, capture_output=True, timeout=30)
        except (OSError, subprocess.SubprocessError):
            return "no Docker engine answers `docker info`: start one, as root or in its group"
        return None

    def options(self, token: str, **options: Any) -> dict[str, Any]:
        """Return the arguments of a client whose workers can be found by a token."""
        env = options.pop("env", {})
        seen = [str(PROGRAMS), *([env["MESSAGES_IN"]] if "MESSAGES_IN" in env else [])]
        mounts = [{"source": path, "target": path} for path in seen] + options.pop("mounts", [])
        return {
            "image": worker_image(),
            "mount_project": True,
            "user": "0",  # whose the tests' folders are
            "grace_s": GRACE_S,
            "labels": {TOKEN: token},
            "env": {TOKEN: token, **env},
            "mounts": mounts,
            **options,
        }

    def client(self, token: str, **options: Any) -> KedroClient:
        """Return a client whose workers can be found by a token."""
        return KedroDockerClient(**self.options(token, **options))

    def client_source(self, token: str) -> str:
        """Return the same as source text, for a definitions file."""
        module = "__import__('dagster_kedro.clients.docker', fromlist=['_'])"
        return f"{module}.KedroDockerClient(**{self.options(token)!r})"

    def wire_client(self, row: str, token: str) -> KedroClient:  # noqa: ARG002
        """Return a client for a row of `programs/wire.py`: it runs the program."""
        return self.client(token)

    def command(self, python: Path, program: str, *arguments: str) -> list[str]:  # noqa: ARG002
        """Return the command that starts one of `programs` in a container."""
        return ["python", str(PROGRAMS / program), *arguments]

    def kill_worker(self, token: str) -> None:
        """Kill the worker behind the orchestrator's back."""
        for container in docker("ps", "-q", "--filter", f"label={TOKEN}={token}").split():
            docker("kill", container)

    def orchestrator(self, token: str) -> int:
        """Return the process of the Dagster step that has started the worker, as its label says."""
        (container,) = docker("ps", "-q", "--filter", f"label={TOKEN}={token}").split()
        shown = f'{{{{index .Config.Labels "{STARTED_BY_LABEL}"}}}}'
        return int(docker("inspect", "--format", shown, container).rpartition(":")[2])

    def leftovers(self, token: str, within_s: float = 5.0) -> list[str]:
        """Return what still runs of the workers, after some patience."""
        deadline = time.monotonic() + within_s
        while True:
            left = docker("ps", "--filter", f"label={TOKEN}={token}", "--format", "{{.Names}}")
            found = [*left.split(), *(f"{pid}: {command_of(pid)}" for pid in processes_with(token))]
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.1)

    def light_worker(self, python: Path, folder: Path) -> dict[str, Any]:  # noqa: ARG002
        """Return client options that start `programs/light_worker.py` instead of our worker."""
        wrapper = folder / "light-worker"
        wrapper.write_text(f"#!/bin/sh\nexec python {PROGRAMS / 'light_worker.py'}\n")
        wrapper.chmod(0o755)
        here = str(folder)
        return {"python": str(wrapper), "mounts": [{"source": here, "target": here}]}

    @contextmanager
    def little_memory(
        self,
        python: Path,  # noqa: ARG002
        limit_bytes: int,
        folder: Path,  # noqa: ARG002
    ) -> Iterator[dict[str, Any]]:
        """Yield client options that give its workers no more memory than this."""
        yield {"resources": {"memory": str(limit_bytes)}}


class SshUnderTest(SubprocessUnderTest):
    """Processes on a host of `ssh_hosts`, which shares this machine's files and process numbers.

    What stands for the worker there is as with processes here; the connections count too.
    """

    python: Path
    """Interpreter of the workers, which is at the same place on the host."""

    def missing(self) -> str | None:
        """Return why there can be no hosts here, and how there could."""
        return ssh_hosts().missing()

    def options(self, token: str, **options: Any) -> dict[str, Any]:
        """Return the arguments of a client whose workers can be found by a token."""
        ssh_hosts().hosts().get("one")
        return {
            "hosts": ["one"],
            "ssh_config": str(ssh_hosts().hosts().config),
            "ssh_options": {"SetEnv": f"{TOKEN}={token}"},  # seen on its command line only
            "python": str(self.python),
            "grace_s": GRACE_S,
            "env": {TOKEN: token, **options.pop("env", {})},
            **options,
        }

    def client(self, token: str, **options: Any) -> KedroClient:
        """Return a client whose workers can be found by a token."""
        return KedroSshClient(**self.options(token, **options))

    def client_source(self, token: str) -> str:
        """Return the same as source text, for a definitions file."""
        module = "__import__('dagster_kedro.clients.ssh', fromlist=['_'])"
        return f"{module}.KedroSshClient(**{self.options(token)!r})"

    def connections(self, token: str) -> list[int]:
        """Return the processes of OpenSSH's client."""
        wanted = f"SetEnv={TOKEN}={token}"
        processes = [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]
        return [pid for pid in processes if wanted in command_of(pid)]

    def orchestrator(self, token: str) -> int:
        """Return the process of the Dagster step that has opened the connection."""
        (connection,) = self.connections(token)
        return parent_of(connection)

    def leftovers(self, token: str, within_s: float = 5.0) -> list[str]:
        """Return what is left there and here, after some patience."""
        deadline = time.monotonic() + within_s
        while True:
            left = [*processes_with(token), *self.connections(token)]
            if not left or time.monotonic() > deadline:
                return [f"{pid}: {command_of(pid)}" for pid in left]
            time.sleep(0.05)

    def light_worker(self, python: Path, folder: Path) -> dict[str, Any]:
        """Return client options that start `programs/light_worker.py` instead of our worker."""
        wrapper = folder / "light-worker"
        wrapper.write_text(
            f'#!/bin/sh\n[ "$2" = kedro_pipes ] && exec {python} {PROGRAMS / "light_worker.py"}\n'
            f'exec {python} "$@"\n'
        )
        wrapper.chmod(0o755)
        return {"python": str(wrapper)}


class KubernetesUnderTest(DockerUnderTest):
    """Pods of the double, which are containers of this machine's engine; or of a real cluster.

    With `--k8s`, the cluster of KUBECONFIG has to have the worker's image as `WORKER_IMAGE`, and has
    to see this machine's /tmp and this checkout at their paths, as kind does with `extraMounts`.
    """

    def options(self, token: str, **options: Any) -> dict[str, Any]:
        """Return the arguments of a client whose workers can be found by a token."""
        env, more = options.pop("env", {}), options.pop("mounts", [])
        paths = [str(PROGRAMS), *([env["MESSAGES_IN"]] if "MESSAGES_IN" in env else [])]
        paths += [each["source"] for each in more]
        named = {f"host-{number}": path for number, path in enumerate(paths)}
        mounts = [{"name": name, "mount_path": path} for name, path in named.items()]
        volumes = [{"name": name, "host_path": {"path": path}} for name, path in named.items()]
        root = {"run_as_user": 0, "run_as_non_root": False}  # whose the tests' folders are
        container = {"volume_mounts": mounts, "security_context": root}
        is_real = "TESTS_ON_CLUSTER" in os.environ
        return {
            "image": worker_image(),
            "kubeconfig": None if is_real else kubernetes_double(),
            "mount_project": True,
            "grace_s": GRACE_S,
            "lease_s": 3.0,
            "labels": {TOKEN: token},
            "env": {TOKEN: token, **env},
            "pod": {"container_config": container, "pod_spec_config": {"volumes": volumes}},
            **options,
        }

    def client(self, token: str, **options: Any) -> KedroClient:
        """Return a client whose workers can be found by a token."""
        return KedroK8sClient(**self.options(token, **options))

    def client_source(self, token: str) -> str:
        """Return the same as source text, for a definitions file."""
        module = "__import__('dagster_kedro.clients.kubernetes', fromlist=['_'])"
        return f"{module}.KedroK8sClient(**{self.options(token)!r})"

    def api(self) -> KubernetesApi:
        """Return the cluster's API, past the client that is tested."""
        return KubernetesApi(kubeconfig=self.options("")["kubeconfig"])

    def pods(self, token: str) -> list[Any]:
        """Return the pods of a test that are there."""
        return self.api().list_pods(f"{TOKEN}={token}").items

    def raw_pod(self, name: str) -> Any:
        """Return all that the API says of a pod."""
        api = self.api()
        answer = api._core.read_namespaced_pod(name, api.namespace, _preload_content=False)
        return json.loads(answer.data)

    def kill_worker(self, token: str) -> None:
        """Kill all processes of the worker; those of a node in Docker are this machine's, too."""
        for pid in processes_with(token):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def orchestrator(self, token: str) -> int:
        """Return the process of the Dagster step that has started the worker."""
        # One that was ended by its lease is left, for its owner or somebody to delete.
        (pod,) = [each for each in self.pods(token) if each.status.phase == "Running"]
        return int(pod.metadata.annotations[STARTED_BY_LABEL].rpartition(":")[2])

    def leftovers(self, token: str, within_s: float = 8.0) -> list[str]:
        """Return what still runs of the workers, once their lease has run out at the latest."""
        return super().leftovers(token, within_s)


class ScriptedUnderTest:
    """Plays the wire rows without any process; rows that need a process are not for it."""

    name = "scripted"
    shares_stream = False

    def wire_client(self, row: str, token: str) -> KedroClient:  # noqa: ARG002
        """Return a client that plays a row of `programs/wire.py`."""
        return ScriptedClient.playing({"program": script_of_row(row)})

    def command(self, python: Path, program: str, *arguments: str) -> list[str]:
        """Return a command that is never started."""
        return [str(python), program, *arguments]

    def leftovers(self, token: str) -> list[str]:  # noqa: ARG002
        """Return nothing: nothing was started."""
        return []


CLIENTS = [
    SubprocessUnderTest("subprocess-file", "file"),
    SubprocessUnderTest("subprocess-stdout", "stdout"),
    WarmUnderTest("warm-file", "file"),
    WarmUnderTest("warm-stdout", "stdout"),
    DockerUnderTest("docker-stdout", "stdout"),
    SshUnderTest("ssh-stdout", "stdout"),
    KubernetesUnderTest("k8s-stdout", "stdout"),
    ScriptedUnderTest(),
]


def docker(*arguments: str) -> str:
    """Run the `docker` command; return what it prints."""
    return subprocess.run(
        ["docker", *arguments], check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


@cache
def kubernetes_double() -> str:
    """Start the double for as long as the tests run; return the file that says how it is reached."""
    folder = Path(tempfile.mkdtemp(prefix="kubernetes-double-"))
    server = REPOSITORY / "tests/bridge/kubernetes_double"
    process = subprocess.Popen([sys.executable, str(server), str(folder / "kubeconfig")])
    atexit.register(process.terminate)
    deadline = time.monotonic() + 30
    while not (folder / "kubeconfig").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the double of Kubernetes did not start: {server}")
        time.sleep(0.05)
    return str(folder / "kubeconfig")


def ask_double(what: str, **data: Any) -> Any:
    """Have the double do something that only happens to clusters; return its answer."""
    config = json.loads(Path(kubernetes_double()).read_text())
    url = f"{config['clusters'][0]['cluster']['server']}/_double/{what}"
    body = json.dumps({"namespace": "flights", **data}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def image_there(variable: str, name: str) -> str | None:
    """Return the image that a variable names, or which a cluster has to have; None to build one."""
    return os.environ.get(variable) or (name if "TESTS_ON_CLUSTER" in os.environ else None)


@cache
def worker_image() -> str:
    """Build the worker's image of docker/Dockerfile with this checkout's package; return its id.

    `TESTS_WORKER_IMAGE` names one that is there already.
    """
    if there := image_there("TESTS_WORKER_IMAGE", WORKER_IMAGE):
        return there
    with tempfile.TemporaryDirectory() as folder:
        requirements = "kedro~=1.7.0\nkedro-datasets[json-jsondataset,pickle-pickledataset]~=9.6\n"
        Path(folder, "requirements.txt").write_text(requirements)
        return build_worker(Path(folder), WORKER_IMAGE)


def build_worker(project: Path, tag: str) -> str:
    """Build a project's worker image of docker/Dockerfile with this checkout's package; return its id."""
    wheel = [sys.executable, "-m", "build", "--wheel", "--outdir", str(project / "wheels")]
    subprocess.run([*wheel, str(REPOSITORY)], check=True, capture_output=True)
    dockerfile = str(REPOSITORY / "docker/Dockerfile")
    options = ["--network", "host", "--quiet", "--target", "worker", "--tag", tag]
    built = subprocess.run(
        ["docker", "build", *options, "--file", dockerfile, str(project)],
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        raise RuntimeError(f"The worker's image cannot be built: {built.stdout}{built.stderr}")
    # Another checkout may give the name to an image of its own meanwhile.
    return built.stdout.strip()


def parameters(clients: list[Any]) -> list[Any]:
    """Return clients as parameters of tests; those of other places, and the slow ones, are marked so.

    Both parts of the warm one with frames, forking and frames, are in a client that is not slow.
    """
    marks = {
        "docker-stdout": [pytest.mark.docker],
        "ssh-stdout": [pytest.mark.ssh],
        "k8s-stdout": [pytest.mark.k8s],
        "warm-stdout": [pytest.mark.slow],
    }
    return [
        pytest.param(client, id=client.name, marks=marks.get(client.name, [])) for client in clients
    ]


def starting_programs() -> list[Any]:
    """Return the clients that start programs in a way of their own."""
    return [client for client in CLIENTS if getattr(client, "starts_programs", True)]


def script_of_row(row: str) -> Script:
    """Return what a worker that performs a row would send, and how it would end."""
    wire = _wire()
    data, output, ended = b"", [], WorkerExit(code=0)
    for act in wire.ROWS[row]:
        if act[0] == "raw":
            data += act[1]
        elif act[0] == "print":
            output.append(act[1])
        elif act[0] == "exit":
            ended = WorkerExit(code=act[1])
        elif act[0] == "kill":
            ended = WorkerExit(signal=act[1])
        elif found := wire.act_line(act):
            line = found[1] + b"\n"
            data += line[: len(line) // 2] if act[0] == "cut" else line
    return Script(lines=[line for line in data.split(b"\n") if line], output=output, ended=ended)


def processes_with(token: str) -> list[int]:
    """Return the live processes that have inherited a test's token; zombies have no environment."""
    wanted = f"{TOKEN}={token}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                variables = (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if wanted in variables:
                found.append(int(folder.name))
    return found


def command_of(pid: int) -> str:
    """Return the command line of a process, for people."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return "gone meanwhile"


def parent_of(pid: int) -> int:
    """Return the process that has started another."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("PPid:"))


@contextmanager
def control_group(limit_bytes: int) -> Iterator[Path]:
    """Make a memory control group, version 1 or 2, and remove it with all that is in it."""
    name = f"kedro-pipes-{os.getpid()}-{time.monotonic_ns()}"
    version_1 = Path("/sys/fs/cgroup/memory")
    group = (version_1 if version_1.is_dir() else Path("/sys/fs/cgroup")) / name
    group.mkdir()
    try:
        limits = (
            {"memory.limit_in_bytes": limit_bytes}
            if version_1.is_dir()
            else {"memory.max": limit_bytes, "memory.swap.max": 0}
        )
        for file, limit in limits.items():
            (group / file).write_text(str(limit))
        yield group
    finally:
        _remove(group)


def _remove(group: Path) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            return group.rmdir()
        except OSError:  # noqa: PERF203 - the last process is on its way out
            time.sleep(0.05)
    return group.rmdir()


@cache
def ssh_hosts() -> Any:
    """Return the module that makes hosts."""
    return _load("bridge_ssh_hosts", Path(__file__).parents[1] / "ssh_hosts.py")


@cache
def _wire() -> Any:
    return _load("conformance_wire", PROGRAMS / "wire.py")


def _load(name: str, file: Path) -> Any:
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
