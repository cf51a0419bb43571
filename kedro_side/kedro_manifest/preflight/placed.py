"""Which client runs each planned group, and what lies around the project. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from kedro_manifest.findings import list_names
from kedro_manifest.orchestration.clients import (
    AnyClient,
    DockerClient,
    K8sClient,
    SshClient,
    SubprocessClient,
)
from kedro_manifest.orchestration.kubernetes import PodConfig
from kedro_manifest.orchestration.root import Orchestration
from kedro_manifest.planning.graph import PipelineGraph
from kedro_manifest.planning.plan import Group
from kedro_manifest.preflight.sight import (
    Seen,
    see_as_container,
    see_as_process,
    see_in_pod,
    see_on_host,
)
from kedro_manifest.settings.workers import WorkerRules


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """A variable that the configuration reads and has no default for."""

    name: str
    file: str
    """Relative to the project."""


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What lies around a manifest on the machine that checks it."""

    project_path: str = "/project"
    """The project's folder."""
    variables: list[Variable] = []
    local_folder: str | None = None
    """The folder of the environment that stays out of images, relative to the project; None where
    another environment is run."""
    local_files: list[str] = []
    """What the project reads there, relative to the project."""
    is_folder_left_out: bool = False
    """Whether `.dockerignore` leaves out the folder itself, and not only what is in it."""


class PlacedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group, and the client of `dagster.yml` that runs it."""

    group: Group
    name: str
    client: AnyClient
    env: dict[str, str] = {}
    """What the group sets besides."""
    pod: PodConfig = PodConfig()
    """What the group says of its pod."""

    def see(self, path: str, around: Surroundings) -> Seen | None:
        """Return how its worker sees a path; None where nobody can say."""
        if isinstance(self.client, DockerClient):
            return see_as_container(self.client, path, around.project_path)
        if isinstance(self.client, K8sClient):
            return see_in_pod(self.client, self.pod, path, around.project_path)
        if isinstance(self.client, SshClient):
            return see_on_host(self.client, path, around.project_path)
        if isinstance(self.client, SubprocessClient):
            return see_as_process(path, around.project_path)
        return None

    @property
    def is_elsewhere(self) -> bool:
        """Whether its worker sees other files than Dagster's machine has."""
        return isinstance(self.client, DockerClient | K8sClient | SshClient)

    @property
    def is_of_image(self) -> bool:
        """Whether its worker has the files of an image."""
        return isinstance(self.client, DockerClient | K8sClient)


def place_groups(
    graph: PipelineGraph,
    orchestration: Orchestration,
    groups: Iterable[Group],
    client_of_run: str | None = None,
) -> Iterator[PlacedGroup]:
    """Yield the groups that a client of `dagster.yml` runs.

    Raises:
        OrchestrationError: What it says of clients is wrong.
    """
    rules = WorkerRules(orchestration, graph, client_of_run)
    for group in groups:
        settings = rules.of_group(group)
        if settings.client is not None:
            client = orchestration.clients[settings.client]
            yield PlacedGroup(
                group=group,
                name=settings.client,
                client=client,
                env=settings.env,
                pod=settings.pod,
            )


def elsewhere_by_client(
    placed: list[PlacedGroup],
) -> Iterator[tuple[str, list[PlacedGroup]]]:
    """Yield each client whose workers are in containers, in pods or on other hosts, and its groups."""
    for name in sorted({each.name for each in placed if each.is_elsewhere}):
        yield name, [each for each in placed if each.name == name]


def name_groups(groups: Iterable[PlacedGroup]) -> str:
    """Return the names of groups, for a message."""
    names = list(dict.fromkeys(each.group.name for each in groups))
    return f"{'groups' if len(names) > 1 else 'group'} {list_names(names)}"
