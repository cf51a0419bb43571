"""A Docker Engine, near or far: images, containers, their output. The one module that knows docker.

Its errors become ours here, so that nobody else has to know what the library raises. Knows no
workers, messages or groups.
"""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any

import docker.errors
import docker.tls
import docker.types
import msgspec
import requests.exceptions
from kedro_manifest.labels import ATTEMPT_LABEL, GROUP_LABEL, RUN_LABEL, STEP_LABEL
from kedro_manifest.orchestration.docker import Pull, Tls

import docker
from dagster_kedro.clients.docker.cures import not_started, way_in
from dagster_kedro.clients.docker.ssh_tunnel import SshTunnel
from dagster_kedro.clients.docker.streams import ContainerStreams
from dagster_kedro.errors import WorkerNotStartedError

CONTEXT_FOLDER = "/run/kedro-pipes"
_ANSWER_S = 30
_REMOVING = 2
"""Containers that are removed at a time, while others run."""
_SOCKET = "/var/run/docker.sock"
_SAME_ATTEMPT = (RUN_LABEL, STEP_LABEL, GROUP_LABEL, ATTEMPT_LABEL)
"""Labels that agree where one attempt is begun again, by another process after the first was killed."""
_UNREACHABLE = (requests.exceptions.ConnectionError, requests.exceptions.ReadTimeout)


class EngineUnreachableError(Exception):
    """The engine does not answer: it is down, starting anew, or out of reach."""


class ContainerState(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine says of a container."""

    running: bool
    exit_code: int
    out_of_memory: bool


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """With what images are pulled from a registry that wants to know who asks."""

    username: str
    password: str


class KeptEngine:
    """One engine, reached when it is first wanted, and kept for whatever is started next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engine: DockerEngine | None = None

    def get(self, url: str | None, tls: Tls | None) -> DockerEngine:
        """Return the engine; the arguments are those of `DockerEngine`, and always the same.

        Raises:
            WorkerNotStartedError: There is no engine, or it does not let us in.
        """
        with self._lock:
            if self._engine is not None and self._engine.is_cut_off:
                self._engine.close()
                self._engine = None
            if self._engine is None:
                self._engine = DockerEngine(url, tls)
            return self._engine

    def close(self) -> None:
        """Let go of the connections; the engine is reached anew if it is wanted again."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()


class DockerEngine:
    """One engine, for any number of threads.

    Args:
        url: Such as `unix:///var/run/docker.sock`, `tcp://host:2376` or `ssh://user@host`; None for
            what `DOCKER_HOST` and its like say, else the socket of this machine.
        tls: Files for a `tcp` address with TLS.

    Raises:
        WorkerNotStartedError: There is no engine, or it does not let us in.
    """

    def __init__(self, url: str | None = None, tls: Tls | None = None) -> None:
        where = f"'{url}'" if url else "the engine of this machine"
        trust = None
        try:
            address, trust = _address(url, tls)
            # The library's own way starts an `ssh` and a `docker` for each request.
            is_ssh = address is not None and address.startswith("ssh://")
            self._tunnel = SshTunnel(str(address), _SOCKET) if is_ssh else None
            try:
                self._docker = docker.DockerClient(
                    base_url=f"unix://{self._tunnel.socket}" if self._tunnel else address,
                    tls=trust or False,
                    timeout=_ANSWER_S,
                )
            except BaseException:
                if self._tunnel is not None:
                    self._tunnel.close()
                raise
        except (docker.errors.DockerException, *_UNREACHABLE, OSError, ValueError) as error:
            cure = way_in(url, str(error), with_tls=trust is not None)
            raise WorkerNotStartedError(
                f"Cannot reach {where} for containers: {_short(error)}. {cure}"
            ) from error
        self._api = self._docker.api
        self._removing = ThreadPoolExecutor(_REMOVING, "kedro-pipes-remove")
        self._removals: set[Future[None]] = set()

    @property
    def is_cut_off(self) -> bool:
        """Tell whether the way to it has ended, so that another one is needed."""
        return self._tunnel is not None and not self._tunnel.is_open

    def close(self) -> None:
        """Let go of the connections, once what is to be removed is gone."""
        self._removing.shutdown()
        self._docker.close()
        if self._tunnel is not None:
            self._tunnel.close()

    def ensure_image(self, image: str, policy: Pull, credentials: Credentials | None) -> None:
        """See that an image is there, pulling it if the policy says so.

        Raises:
            WorkerNotStartedError: It is not, and cannot be pulled.
        """
        there = self._has_image(image)
        if policy == "never" and not there:
            raise WorkerNotStartedError(
                f"Cannot start a container of '{image}': the engine has no such image, and "
                "`pull: never` forbids to fetch it. Build it there, or set `pull: missing`."
            )
        if policy == "never" or (policy == "missing" and there):
            return
        signed = msgspec.to_builtins(credentials)
        repository, tag = docker.utils.parse_repository_tag(image)
        try:
            self._docker.images.pull(repository, tag=tag or "latest", auth_config=signed)
        except (docker.errors.APIError, *_UNREACHABLE) as error:
            raise WorkerNotStartedError(
                f"Cannot pull image '{image}': {_short(error)}. Check its name and tag, that the "
                "engine reaches the registry, and the credentials (`registry`)."
            ) from error

    def create(self, image: str, name: str, labels: Mapping[str, str], **options: Any) -> str:
        """Create a container; one that was made for the same attempt makes room for it.

        Returns:
            Its id.

        Raises:
            WorkerNotStartedError: The engine refuses, with its reason.
        """
        options = {"name": name, "labels": dict(labels), **options}
        try:
            try:
                return str(self._docker.containers.create(image, **options).id)
            except docker.errors.APIError as error:
                if error.status_code != requests.codes.conflict or not self._remove_ours(
                    name, labels
                ):
                    raise
            return str(self._docker.containers.create(image, **options).id)
        except (docker.errors.DockerException, TypeError, ValueError, *_UNREACHABLE) as error:
            raise WorkerNotStartedError(
                f"Cannot create container '{name}' of image '{image}': {_short(error)}. Mend the "
                "client's settings, or what they name."
            ) from error

    def connect_network(self, container: str, network: str) -> None:
        """Let a container that has not been started into one more network.

        Raises:
            WorkerNotStartedError: It is not there.
        """
        try:
            self._api.connect_container_to_network(container, network)
        except (docker.errors.APIError, *_UNREACHABLE) as error:
            raise WorkerNotStartedError(
                f"Cannot connect a container to network '{network}': {_short(error)}. Create it, or "
                "take it out of `networks`."
            ) from error

    def put_file(self, container: str, name: str, content: bytes) -> str:
        """Write a file, readable for everyone, where the container has `CONTEXT_FOLDER`.

        Returns:
            Its path in the container.
        """
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o444
            tar.addfile(entry, io.BytesIO(content))
        try:
            self._api.put_archive(container, CONTEXT_FOLDER, archive.getvalue())
        except (docker.errors.APIError, *_UNREACHABLE) as error:
            raise WorkerNotStartedError(
                f"Cannot hand over what the worker is to do: {_short(error)}. See that the engine "
                "has room for a volume."
            ) from error
        return f"{CONTEXT_FOLDER}/{name}"

    def attach(self, container: str) -> ContainerStreams:
        """Return the standard streams of a container that has not been started yet.

        Raises:
            WorkerNotStartedError: The engine does not give them.
        """
        wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        try:
            connection = self._api.attach_socket(container, params=wanted)
        except (docker.errors.APIError, *_UNREACHABLE) as error:
            raise WorkerNotStartedError(
                f"Cannot read what a container writes: {_short(error)}. See the engine's log."
            ) from error
        return ContainerStreams(connection)

    def start(self, container: str) -> None:
        """Start a container.

        Raises:
            WorkerNotStartedError: Its program is not there, or whatever the engine says.
        """
        try:
            self._api.start(container)
        except (docker.errors.APIError, *_UNREACHABLE) as error:
            raise not_started(_short(error)) from error

    def inspect(self, container: str) -> ContainerState | None:
        """Return the state of a container; None if it is not there any more.

        Raises:
            EngineUnreachableError: The engine does not answer.
        """
        try:
            state = self._api.inspect_container(container)["State"]
        except docker.errors.NotFound:
            return None
        except (docker.errors.APIError, *_UNREACHABLE) as error:
            raise EngineUnreachableError(_short(error)) from error
        return ContainerState(
            running=state["Running"] or state["Status"] in ("created", "restarting"),
            exit_code=state["ExitCode"],
            out_of_memory=state["OOMKilled"],
        )

    def signal(self, container: str, name: str) -> None:
        """Send a signal to a container; nothing happens if it does not run."""
        with suppress(docker.errors.APIError, *_UNREACHABLE):
            self._api.kill(container, name)

    def remove(self, container: str) -> None:
        """Remove a container with its own volumes, running or not; it may be gone already."""
        with suppress(docker.errors.APIError, *_UNREACHABLE):
            self._api.remove_container(container, v=True, force=True)

    def remove_soon(self, container: str) -> None:
        """Remove a container as `remove` does, without waiting; it is gone when we are closed."""
        removal = self._removing.submit(self.remove, container)
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)

    def _has_image(self, image: str) -> bool:
        try:
            self._docker.images.get(image)
        except docker.errors.ImageNotFound:
            return False
        except (docker.errors.DockerException, *_UNREACHABLE) as error:
            raise WorkerNotStartedError(
                f"Cannot look for image '{image}': {_short(error)}. Check its name."
            ) from error
        return True

    def _remove_ours(self, name: str, labels: Mapping[str, str]) -> bool:
        """Remove the container that has a name already, if it was made for the same attempt."""
        wait(list(self._removals))
        try:
            theirs = self._api.inspect_container(name)["Config"]["Labels"] or {}
        except docker.errors.NotFound:
            return True
        if any(theirs.get(key) != labels[key] for key in _SAME_ATTEMPT):
            return False
        self.remove(name)
        return True


Mount = Any
"""What `create` takes as one of its `mounts`."""


def make_mount(
    kind: str,
    source: str | None,
    target: str,
    *,
    read_only: bool = False,
    labels: Mapping[str, str] | None = None,
) -> Mount:
    """Return a mount: of a path (`bind`), a volume, or memory (`tmpfs`)."""
    given = dict(labels) if labels else None
    return docker.types.Mount(target, source, type=kind, read_only=read_only, labels=given)


def make_ulimit(name: str, soft: int, hard: int) -> Any:
    """Return a limit of `setrlimit`."""
    return docker.types.Ulimit(name=name, soft=soft, hard=hard)


def gpu_requests(gpus: str | int | list[str] | None) -> list[Any]:
    """Return what asks for GPUs: all of them, some number, or those of some ids."""
    if gpus is None:
        return []
    which: dict[str, Any] = (
        {"device_ids": gpus}
        if isinstance(gpus, list)
        else {"count": -1 if gpus == "all" else int(gpus)}
    )
    return [docker.types.DeviceRequest(capabilities=[["gpu"]], **which)]


def bytes_of(size: str | None) -> int | None:
    """Return a size such as `2g` in bytes."""
    return None if size is None else int(docker.utils.parse_bytes(size))


def _address(url: str | None, tls: Tls | None) -> tuple[str | None, _Trust | None]:
    """Return where an engine is and whom to trust, from the variables of `docker` if nothing is said."""
    if url is None:
        said = docker.utils.kwargs_from_env()
        url, config = said.get("base_url"), said.get("tls")
        if not config:
            return url, None
        return url, _Trust(url, config.cert, config.ca_cert, verify=config.verify)
    if tls is None:
        return url, None
    pair = (tls.client_cert, tls.client_key)
    return url, _Trust(url, pair if any(pair) else None, tls.ca_cert, verify=True)


class _Trust(docker.tls.TLSConfig):  # type: ignore[misc]
    """TLS with an authority of its own, which is the one that counts."""

    def __init__(
        self,
        url: str | None,
        pair: tuple[str | None, str | None] | None,
        ca_cert: str | None,
        *,
        verify: bool,
    ) -> None:
        super().__init__(client_cert=pair, ca_cert=ca_cert, verify=verify)
        self._url = url or ""

    def configure_client(self, client: Any) -> None:
        """Keep `REQUESTS_CA_BUNDLE`, which an orchestrator may have for others, from replacing it."""
        super().configure_client(client)
        if self.ca_cert:
            client.proxies = requests.utils.get_environ_proxies(self._url)
            client.trust_env = False


def _short(error: Exception) -> str:
    """Return what an engine or a connection says, without the way that it came."""
    said = getattr(error, "explanation", None) or str(error)
    return str(said).strip().rstrip(".")
