"""Workers as containers of a Docker engine: which image, with what, under which name.

What the engine says and does is the business of `engine`, a running worker that of
`worker`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import msgspec
from dagster_pipes import (
    DAGSTER_PIPES_CONTEXT_ENV_VAR,
    DAGSTER_PIPES_MESSAGES_ENV_VAR,
    encode_param,
)
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.invocation import (
    CONTROL_VARIABLE,
    FRAMES_PARAM,
    GRACE_VARIABLE,
    MARKS_PARAM,
)
from kedro_manifest.labels import (
    ATTEMPT_LABEL,
    GROUP_LABEL,
    JOB_LABEL,
    PROCESS_LABEL,
    RUN_LABEL,
    STARTED_BY_LABEL,
    STEP_LABEL,
)
from kedro_manifest.orchestration.docker import ContainerResources, Pull, Tls
from kedro_manifest.processes import ProcessIdentity
from pydantic import Field, PrivateAttr

from dagster_kedro.channel import MessageFile
from dagster_kedro.clients.attempts import attempt_of, digest_of
from dagster_kedro.clients.base import KedroClient, Worker, WorkerLaunch
from dagster_kedro.clients.docker.engine import (
    CONTEXT_FOLDER,
    Credentials,
    DockerEngine,
    KeptEngine,
    Mount,
    bytes_of,
    gpu_requests,
    make_mount,
    make_ulimit,
)
from dagster_kedro.clients.docker.shell_guardian import guarded
from dagster_kedro.clients.docker.streams import ContainerStreams
from dagster_kedro.clients.docker.worker import ContainerWorker
from dagster_kedro.clients.variables import variables_named
from dagster_kedro.errors import WorkerNotStartedError

_LONGEST_CONTEXT = 64 * 1024
"""Characters of a context that goes into a variable; the kernel takes 128 KiB."""
_SHARED_FOLDER = "/run/kedro-pipes-messages"
_NO_NAME = re.compile(r"[^a-zA-Z0-9_.-]+")


class DockerMount(dg.Config):
    """Something of the engine's machine that a container sees."""

    target: str = Field(description="Where, in the container.")
    source: str | None = Field(
        default=None, description="Path on the engine's machine, or name of a volume."
    )
    type: Literal["bind", "volume", "tmpfs"] = Field(default="bind")
    read_only: bool = Field(default=False)


class DockerUlimit(dg.Config):
    """A limit of `setrlimit`, such as `nofile`."""

    name: str
    soft: int
    hard: int | None = None


class DockerRegistry(dg.Config):
    """A registry that wants a name and a password, which stand in the orchestrator's variables."""

    url: str = ""
    username_env: str
    password_env: str


class DockerTls(dg.Config):
    """Paths of the files for an engine behind TLS."""

    ca_cert: str | None = None
    client_cert: str | None = None
    client_key: str | None = None


class SharedMessages(dg.Config):
    """A folder that both the orchestrator and the containers see, for messages."""

    source: str = Field(description="Path on the engine's machine, or name of a volume.")
    here: str = Field(description="Where this process sees it.")


class KedroDockerClient(KedroClient):
    """Runs each worker in a container of its own, which is gone when it has ended.

    Example:
        >>> KedroDockerClient(
        ...     image="registry.example.com/flights:1.4",
        ...     networks=["warehouse"],
        ...     resources={"cpus": 2, "memory": "4g"},
        ... )
    """

    image: str = Field(description="Image of the project, with `kedro-dagster-pipes[kedro]`.")
    python: str = Field(default="python", description="Interpreter, in the image.")
    project_dir: str | None = Field(
        default=None,
        description="The project's folder, in the image. Default: the image's working directory.",
    )
    mount_project: bool = Field(
        default=False,
        description="Whether the project's folder of this machine is mounted, at the same path: "
        "changes of code then need no new image.",
    )
    env: dict[str, str] = Field(
        default_factory=dict, description="Variables that are set for every worker."
    )
    pass_env: list[str] = Field(
        default_factory=list,
        description="Variables to hand on from the orchestrator; `*` stands for anything.",
    )
    grace_s: float = Field(
        default=10.0, description="Seconds between asking a worker to stop and killing it.", ge=0
    )
    resources: dict[str, Any] = Field(
        default_factory=dict,
        description="`cpus`, `memory` and `shm_size` (`2g`), `gpus` (`all`, a number, or ids).",
    )
    mounts: list[DockerMount] = Field(default_factory=list)
    networks: list[str] = Field(default_factory=list)
    user: str | None = Field(default=None, description="`uid`, `uid:gid` or a name in the image.")
    read_only: bool = Field(default=False, description="Whether the root file system is.")
    ulimits: list[DockerUlimit] = Field(default_factory=list)
    init: bool = Field(
        default=True, description="Whether an init process is the container's first."
    )
    pull: Pull = Field(default="missing", description="When images are fetched.")
    registry: DockerRegistry | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    engine_url: str | None = Field(
        default=None,
        description="`unix://…`, `tcp://host:2376` or `ssh://user@host`. Default: what `DOCKER_HOST` "
        "says, else the engine of this machine.",
    )
    tls: DockerTls | None = None
    shared_messages: SharedMessages | None = Field(
        default=None, description="Default: messages travel in frames on the output."
    )
    container_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        description="Whatever else `docker.containers.create` takes, as in dagster-docker.",
    )

    _kept: KeptEngine = PrivateAttr(default_factory=KeptEngine)

    def overridable(self) -> frozenset[str]:
        """Return what a container takes."""
        return frozenset({"python", "env", "image", "resources"})

    @contextmanager
    def launch(self, launch: WorkerLaunch) -> Iterator[Worker]:
        """Start one container; once it has ended it is removed, with the volumes that are its own."""
        tls = Tls(**self.tls.model_dump()) if self.tls else None
        engine = self._kept.get(self.engine_url, tls)
        image = launch.overrides.image or self.image
        engine.ensure_image(image, self.pull, self._credentials())
        name = container_name(launch)
        with self._messages(name) as file:
            container = self._create(engine, image, name, launch, file)
            try:
                with self._started(engine, container, launch, file) as worker:
                    yield worker
            finally:
                engine.remove_soon(container)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """Let go of the engine, which was kept from one container to the next, and of the last ones."""
        self._kept.close()

    @contextmanager
    def _started(
        self,
        engine: DockerEngine,
        container: str,
        launch: WorkerLaunch,
        file: Path | None,
    ) -> Iterator[ContainerWorker]:
        for network in self.networks[1:]:
            engine.connect_network(container, network)
        streams: ContainerStreams = engine.attach(container)
        worker = ContainerWorker(
            engine,
            container,
            launch.group,
            streams,
            file=MessageFile(file) if file else None,
            grace_s=self.grace_s,
            memory_bytes=bytes_of(self._resources(launch).memory),
        )
        try:
            engine.start(container)
            try:
                yield worker
            finally:
                worker.stop()
        finally:
            streams.say_all_is_well()
            worker.close()

    def _create(
        self, engine: DockerEngine, image: str, name: str, launch: WorkerLaunch, file: Path | None
    ) -> str:
        context = encode_param({"data": launch.context_data})
        is_large = len(context) > _LONGEST_CONTEXT
        if is_large:
            context = encode_param({"path": f"{CONTEXT_FOLDER}/context.json"})
        messages = (
            {"path": f"{_SHARED_FOLDER}/{name}/{file.name}"}
            if file
            else {"stdio": "stdout", FRAMES_PARAM: True}
        )
        environment = {
            **self._variables(launch),
            DAGSTER_PIPES_CONTEXT_ENV_VAR: context,
            DAGSTER_PIPES_MESSAGES_ENV_VAR: encode_param({**messages, MARKS_PARAM: True}),
            # The worker's guardian reads its standard input, which ends with our connection.
            CONTROL_VARIABLE: "0",
            GRACE_VARIABLE: str(self.grace_s),
            "PYTHONUNBUFFERED": "1",
        }
        labels = self._labels(launch)
        container = engine.create(
            image,
            name,
            labels,
            command=self._command(launch),
            environment=environment,
            mounts=[*self._mounts(launch, file), *([_context_volume(labels)] if is_large else [])],
            stdin_open=True,
            **self._options(launch),
        )
        if is_large:
            try:
                data = json.dumps(launch.context_data).encode()
                engine.put_file(container, "context.json", data)
            except WorkerNotStartedError:
                engine.remove(container)
                raise
        return container

    def _options(self, launch: WorkerLaunch) -> dict[str, Any]:
        """Return what is said of the container, in the words of `docker.containers.create`."""
        limits = self._resources(launch)
        options: dict[str, Any] = {
            "init": self.init,
            "network": self.networks[0] if self.networks else None,
            "user": self.user,
            "read_only": self.read_only or None,
            "working_dir": str(launch.project_dir) if self.mount_project else self.project_dir,
            "nano_cpus": int(limits.cpus * 1e9) if limits.cpus else None,
            "mem_limit": limits.memory,
            # Or what it may take of the swap space comes on top.
            "memswap_limit": limits.memory,
            "shm_size": limits.shm_size,
            "device_requests": gpu_requests(limits.gpus),
            "ulimits": [
                make_ulimit(each.name, each.soft, each.hard or each.soft) for each in self.ulimits
            ],
            **self.container_kwargs,
        }
        return {name: value for name, value in options.items() if value not in (None, [])}

    def _resources(self, launch: WorkerLaunch) -> ContainerResources:
        given = {**self.resources, **launch.overrides.resources}
        try:
            return msgspec.convert(given, ContainerResources)
        except msgspec.ValidationError as error:
            raise OrchestrationError(
                f"Cannot use `resources` of a Docker client: {error}. It takes `cpus`, `memory`, "
                "`shm_size` and `gpus`."
            ) from error

    def _command(self, launch: WorkerLaunch) -> list[str]:
        if launch.command is not None:
            # Only our worker has a guardian of its own.
            return guarded(launch.command)
        return [launch.overrides.python or self.python, "-m", "kedro_pipes"]

    def _variables(self, launch: WorkerLaunch) -> dict[str, str]:
        passed = variables_named(os.environ, self.pass_env)
        return {**passed, **self.env, **launch.overrides.env}

    def _mounts(self, launch: WorkerLaunch, file: Path | None) -> list[Mount]:
        mounts = [
            make_mount(each.type, each.source, each.target, read_only=each.read_only)
            for each in self.mounts
        ]
        if self.mount_project:
            project = str(launch.project_dir)
            mounts.append(make_mount("bind", project, project))
        if file is not None and self.shared_messages is not None:
            source = self.shared_messages.source
            kind = "bind" if source.startswith("/") else "volume"
            mounts.append(make_mount(kind, source, _SHARED_FOLDER))
        return mounts

    @contextmanager
    def _messages(self, name: str) -> Iterator[Path | None]:
        """Make the file for a worker's messages, where the client has a folder for such files."""
        if self.shared_messages is None:
            yield None
            return
        folder = Path(self.shared_messages.here) / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / "messages.jsonl"
            file.touch()
            # Whoever the image's user is has to write here.
            folder.chmod(0o777)
            file.chmod(0o666)
        except OSError as error:
            raise WorkerNotStartedError(
                f"Cannot make a message file in '{folder}': {error.strerror}. Check `here` of "
                "`shared_messages`."
            ) from error
        try:
            yield file
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _labels(self, launch: WorkerLaunch) -> dict[str, str]:
        context = launch.context_data
        process = ProcessIdentity.of_this_process()
        return {
            **self.labels,
            GROUP_LABEL: launch.group,
            ATTEMPT_LABEL: attempt_of(launch),
            STARTED_BY_LABEL: f"{socket.gethostname()}:{os.getpid()}",
            **({PROCESS_LABEL: str(process)} if process else {}),
            RUN_LABEL: str(context["run_id"]),
            JOB_LABEL: str(context["job_name"] or ""),
            STEP_LABEL: launch.step,
        }

    def _credentials(self) -> Credentials | None:
        if self.registry is None:
            return None
        found = {}
        for key in ("username_env", "password_env"):
            variable = getattr(self.registry, key)
            if variable not in os.environ:
                raise WorkerNotStartedError(
                    f"Cannot sign in to registry '{self.registry.url}': the variable '{variable}' "
                    f"is not set in the orchestrator. Set it, or correct `registry.{key}`."
                )
            found[key.removesuffix("_env")] = os.environ[variable]
        return Credentials(**found)


def container_name(launch: WorkerLaunch) -> str:
    """Return a name that is the same for the same attempt at a group, and for no other."""
    group = _NO_NAME.sub("-", launch.group).strip("-.")[:40] or "group"
    return f"kedro-{group}-{digest_of(launch)}"


def _context_volume(labels: Mapping[str, str]) -> Mount:
    """A volume without a name, which is removed with its container, or found by its labels."""
    return make_mount("volume", None, CONTEXT_FOLDER, labels=labels)
