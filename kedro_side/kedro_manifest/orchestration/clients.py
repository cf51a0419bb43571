"""`clients`, `concurrency`: where workers run, and how many at a time.

Another place for workers is a struct here, one of `AnyClient`, and a factory for it on the
Dagster side.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from kedro_manifest.orchestration.docker import (
    ContainerResources,
    Mount,
    Pull,
    Registry,
    SharedMessages,
    Tls,
    Ulimit,
)
from kedro_manifest.orchestration.kubernetes import PodConfig, StartLimits
from kedro_manifest.orchestration.placement import Timeout
from kedro_manifest.planning.grouping import ExplicitGroup

DEFAULT_CLIENT = "default"
"""Name of the client that runs what no other one does."""

HostName = Annotated[str, msgspec.Meta(pattern=r"^[^\s-]\S*$")]
"""No option of OpenSSH's client."""

Start = Literal["auto", "warm", "cold"]


class ChosenFor(ExplicitGroup, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`clients.<name>.for:` the nodes that a client runs: any of these, in any of the lists."""


class _Client(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    rename={"chosen_for": "for"},
):
    chosen_for: ChosenFor = ChosenFor()
    """The nodes that it runs, unless their group names another client. Default: those of groups
    and jobs that name it."""
    timeout_s: Timeout | None = None
    """Seconds after which a worker is stopped and its group fails, unless the group says otherwise.
    Default: what the file says."""


class SubprocessClient(_Client, frozen=True, kw_only=True, tag="subprocess"):
    """A process on this machine for each worker."""

    python: str | None = None
    """Interpreter of the workers; a path may be relative to the project. Default: the project's
    own."""
    env: dict[str, str] = {}
    """Environment variables of its workers."""
    pass_env: list[str] = []
    """Variables that are handed on from the orchestrator's environment; `*` stands for anything."""
    grace_s: Annotated[float, msgspec.Meta(ge=0)] = 5.0
    """Seconds between asking a worker to stop and killing it."""
    messages: Literal["file", "stdout"] = "file"
    """How messages travel: in a file of their own, or in frames on the output."""
    start: Start = "auto"
    """`warm`: one process loads the project and holds the run's session, and each worker is forked
    from it. `cold`: each worker starts anew. `auto`: warm where that saves time, which is in a run
    of several groups that is one step. Linux only; elsewhere workers start cold."""


class DockerClient(_Client, frozen=True, kw_only=True, tag="docker"):
    """A container for each worker."""

    image: str
    """Image of the project, with `kedro-dagster-pipes[kedro]`."""
    engine_url: str | None = None
    """`unix://…`, `tcp://host:2376` or `ssh://user@host`. Default: what `DOCKER_HOST` of
    the orchestrator says, else the engine of its machine."""
    tls: Tls | None = None
    pull: Pull = "missing"
    """When the image is fetched."""
    registry: Registry | None = None
    resources: ContainerResources = ContainerResources()
    mounts: list[Mount] = []
    """What a container sees of the engine's machine: a local path of the catalog is not there
    otherwise."""
    networks: list[str] = []
    """Networks that it is in."""
    env: dict[str, str] = {}
    """Environment variables of its workers."""
    pass_env: list[str] = []
    """Variables that are handed on from the orchestrator's environment; `*` stands for anything."""
    user: str | None = None
    """`uid`, `uid:gid` or a name in the image. Default: the image's."""
    read_only: bool = False
    """Whether the container's root file system is."""
    ulimits: list[Ulimit] = []
    """Limits of its processes."""
    init: bool = True
    """Whether an init process is the container's first: it hands signals on, and reaps."""
    labels: dict[str, str] = {}
    """Labels of its containers, besides those that tell run, group and attempt."""
    python: str = "python"
    """Interpreter, in the image."""
    project_dir: str | None = None
    """The project's folder, in the image. Default: the image's working directory."""
    mount_project: bool = False
    """Whether the project's folder of the orchestrator's machine is mounted, at the same path."""
    grace_s: Annotated[float, msgspec.Meta(ge=0)] = 10.0
    """Seconds between asking a worker to stop and killing it."""
    shared_messages: SharedMessages | None = None
    """Default: messages travel in frames on the output."""
    container_kwargs: dict[str, Any] = {}
    """Whatever else `docker.containers.create` takes, as in dagster-docker."""


class K8sClient(_Client, frozen=True, kw_only=True, tag="k8s"):
    """A Kubernetes pod for each worker."""

    image: str
    """Image of the project, with `kedro-dagster-pipes[kedro]`."""
    namespace: str | None = None
    """Where the pods are. Default: that of the orchestrator's pod, or of the context."""
    kubeconfig: str | None = None
    """File that says how the cluster is reached. Default: the orchestrator's service account in a
    pod, elsewhere what `kubectl` would take."""
    context: str | None = None
    """A context of that file. Default: its current one."""
    pull: Pull = "missing"
    """When nodes of the cluster fetch the image."""
    image_pull_secrets: list[str] = []
    """Secrets of the namespace with which it is fetched."""
    service_account: str | None = None
    """Of the workers, which need no rights at all. Default: the namespace's `default`."""
    resources: ContainerResources = ContainerResources()
    """What a worker asks for, which is its limit as well."""
    env: dict[str, str] = {}
    """Environment variables of its workers."""
    pass_env: list[str] = []
    """Variables that are handed on from the orchestrator's environment; `*` stands for anything."""
    env_secrets: list[str] = []
    """Secrets of the namespace whose every key becomes a variable."""
    env_config_maps: list[str] = []
    """Config maps of the namespace whose every key becomes a variable."""
    labels: dict[str, str] = {}
    """Labels of its pods, besides those that tell run, step, group and attempt."""
    pod: PodConfig = PodConfig()
    python: str = "python"
    """Interpreter, in the image."""
    project_dir: str | None = None
    """The project's folder, in the image. Default: the image's working directory."""
    mount_project: bool = False
    """Whether the project's folder of the orchestrator's machine is mounted, at the same path: for a
    cluster on this machine whose nodes see that path."""
    grace_s: Annotated[float, msgspec.Meta(ge=0)] = 10.0
    """Seconds between asking a worker to stop and killing it."""
    lease_s: Annotated[float, msgspec.Meta(ge=0)] = 60.0
    """Seconds after which a worker that hears nothing of the orchestrator ends itself; 0 for never.
    Needs the right to attach to pods."""
    requests_per_s: Annotated[float, msgspec.Meta(gt=0)] = 50.0
    """Requests to the API at most, of all workers of a run together."""
    limits: StartLimits = StartLimits()


class SshClient(_Client, frozen=True, kw_only=True, tag="ssh"):
    """A process on another host for each worker, over OpenSSH's own client."""

    hosts: Annotated[list[HostName], msgspec.Meta(min_length=1)]
    """Names of `~/.ssh/config`, `host`, `user@host`, or `ssh://user@host:port`. A worker goes where
    the fewest are."""
    max_per_host: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Workers at a time on each host, of all runs of the orchestrator's machine; others wait. 0 for
    any number."""
    python: str | None = None
    """Interpreter on the hosts; a path may be relative to the project there. Default: where the
    project's own is here, or `python3`."""
    project_dir: str | None = None
    """The project's folder on the hosts. Default: the same path as here."""
    env: dict[str, str] = {}
    """Environment variables of its workers."""
    pass_env: list[str] = []
    """Variables that are handed on from the orchestrator's environment; `*` stands for anything."""
    grace_s: Annotated[float, msgspec.Meta(ge=0)] = 5.0
    """Seconds between asking a worker to stop and killing it."""
    connect_timeout_s: Annotated[float, msgspec.Meta(gt=0)] = 30.0
    """Seconds until a host has to have answered."""
    keep_alive_s: Annotated[int, msgspec.Meta(ge=1)] = 15
    """Seconds between signs of life, both ways. After three that stay out, the connection counts as
    broken: the group fails, and its worker ends."""
    shared_dirs: list[str] = []
    """Folders that the hosts have in common with the orchestrator's machine, by the same paths: what
    `kedro pipes check` need not warn of."""
    ssh_config: str | None = None
    """Another file than OpenSSH's own configuration."""
    ssh_options: dict[str, str] = {}
    """What the configuration may say, and goes before it, such as `ProxyJump`."""


class CustomClient(_Client, frozen=True, kw_only=True, tag="custom"):
    """Any client that can be written in Python."""

    factory: Annotated[str, msgspec.Meta(pattern=r"^[\w.]+:[\w.]+$")]
    """`module:function` of the Dagster side that returns a `KedroClient`."""
    options: dict[str, Any] = {}
    """Its arguments; `{env: NAME}` is handed over as `dagster.EnvVar`."""


AnyClient = SubprocessClient | DockerClient | K8sClient | SshClient | CustomClient


class Concurrency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`concurrency:` how many workers run at a time."""

    max_concurrent: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Workers at a time in one step; 0 for as many as there are processors."""
    tags: dict[str, Annotated[int, msgspec.Meta(ge=1)]] = {}
    """Groups at a time in one step that hold a node of a tag, by the Kedro tag."""
    pool: str | None = None
    """Dagster's concurrency pool of the steps, whose limit holds over all runs."""
