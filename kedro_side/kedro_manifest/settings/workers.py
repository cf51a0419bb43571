"""How the worker of each planned group is run: by which client, how long, how often. Pure.

The strongest first: what a single run says (its client only; the rest is no matter of the
manifest), the group, the client, `dagster.yml` as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration.clients import DEFAULT_CLIENT
from kedro_manifest.orchestration.docker import ContainerResources
from kedro_manifest.orchestration.kubernetes import PodConfig
from kedro_manifest.orchestration.retrying import NEVER, Retries, as_retries
from kedro_manifest.orchestration.root import Orchestration
from kedro_manifest.planning.graph import PipelineGraph
from kedro_manifest.planning.grouping import members_of
from kedro_manifest.planning.plan import Group


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for the worker of one group."""

    client: str | None = None
    """One of those under `clients`; None for the resource's own."""
    env: dict[str, str] = {}
    """Variables that the group sets besides those of its client."""
    image: str | None = None
    """Image of the group's own."""
    resources: ContainerResources = ContainerResources()
    """What the group says of its container."""
    pod: PodConfig = PodConfig()
    """What the group says of its pod."""
    timeout_s: float | None = None
    retries: Retries = NEVER


class WorkerRules:
    """What `dagster.yml` says of workers.

    Args:
        orchestration: The file.
        graph: The nodes that clients are chosen for.
        client_of_run: The client that a run has chosen for all of its groups.

    Raises:
        OrchestrationError: A group or the run names a client that is not there, or `for` a node,
            tag, namespace or pipeline.
    """

    def __init__(
        self, orchestration: Orchestration, graph: PipelineGraph, client_of_run: str | None = None
    ) -> None:
        self._orchestration = orchestration
        self._client_of_run = client_of_run
        self._check_names()
        self._claims = {
            name: members_of(graph, client.chosen_for, f"clients.{name}.for")
            for name, client in orchestration.clients.items()
        }

    @property
    def client_besides(self) -> str | None:
        """Client of the workers that belong to no group, such as those that only look around."""
        default = DEFAULT_CLIENT if DEFAULT_CLIENT in self._orchestration.clients else None
        return self._client_of_run or default

    def of_group(self, group: Group) -> WorkerSettings:
        """Return what holds for a planned group.

        Raises:
            OrchestrationError: Two clients claim it, or it holds explicit groups that contradict
                each other.
        """
        orchestration = self._orchestration
        own = orchestration.settings_of_group(group.explicit)
        client = self._client_of_run or own.client or self._claimed(group) or self.client_besides
        of_client = orchestration.clients[client].timeout_s if client is not None else None
        retries = own.retries if own.retries is not None else orchestration.retries
        return WorkerSettings(
            client=client,
            env=own.env,
            image=own.image,
            resources=own.resources,
            pod=own.pod,
            timeout_s=own.timeout_s or of_client or orchestration.timeout_s,
            retries=as_retries(retries),
        )

    def check(self, groups: Iterable[Group]) -> None:
        """Raise what `of_group` would, for any of some groups."""
        for group in groups:
            self.of_group(group)

    def _claimed(self, group: Group) -> str | None:
        claiming = sorted(
            name for name, nodes in self._claims.items() if not nodes.isdisjoint(group.nodes)
        )
        if len(claiming) > 1:
            names = " and ".join(f"'{name}'" for name in claiming)
            raise OrchestrationError.at(
                f"clients.{claiming[0]}.for",
                f"clients {names} claim nodes of group '{group.name}', which runs as one process",
                "Let one of them claim it, or name the client of the group: "
                "`groups: {NAME: {client: …}}`.",
            )
        return claiming[0] if claiming else None

    def _check_names(self) -> None:
        clients = self._orchestration.clients
        for name, group in self._orchestration.groups.items():
            if group.client is not None and group.client not in clients:
                place = f"groups.{name}.client"
                raise OrchestrationError.unknown(place, "client", group.client, clients)
        chosen = self._client_of_run
        if chosen is not None and chosen not in clients:
            there = f"Choose from {sorted(clients)}." if clients else "It has none."
            raise OrchestrationError(
                f"Cannot run with client '{chosen}': `clients` of dagster.yml has none of that "
                f"name. {there}",
                "clients",
            )


def most_attempts(orchestration: Orchestration) -> int:
    """Return how often any group may be tried within a step."""
    entries = [orchestration.retries, *(group.retries for group in orchestration.groups.values())]
    return 1 + max(as_retries(entry).max_retries for entry in entries)
