"""A Kubernetes cluster, through the `kubectl` command: what of ours is there, and taking it away.

The command finds its cluster and namespace as it always does. Knows nothing of what is worth keeping.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Literal

import msgspec
from kedro_manifest.labels import GROUP_LABEL

from kedro_pipes.commands.outside import OutsideProgram

_GOING_S = 30
"""Besides the grace that a pod gives its containers."""


class _Object(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Part of an object; what else is said of it is passed over."""


class Owner(_Object, frozen=True, kw_only=True):
    """One of `metadata.ownerReferences`."""

    kind: str
    name: str
    uid: str


class Metadata(_Object, frozen=True, kw_only=True):
    """`metadata` of anything."""

    name: str
    namespace: str
    uid: str
    creation_timestamp: datetime
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[Owner] = []


class Terminated(_Object, frozen=True, kw_only=True):
    """`state.terminated` of a container."""

    finished_at: datetime | None = None


class ContainerState(_Object, frozen=True, kw_only=True):
    """`state` of a container, as far as it has ended."""

    terminated: Terminated | None = None


class ContainerStatus(_Object, frozen=True, kw_only=True):
    """One of `status.containerStatuses`."""

    state: ContainerState = ContainerState()


class Status(_Object, frozen=True, kw_only=True):
    """`status` of a pod."""

    phase: str = "Pending"
    """`Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`."""
    start_time: datetime | None = None
    container_statuses: list[ContainerStatus] = []


class Spec(_Object, frozen=True, kw_only=True):
    """`spec` of a pod."""

    termination_grace_period_seconds: float = 30


class Pod(_Object, frozen=True, kw_only=True):
    """A pod, as far as we ask."""

    metadata: Metadata
    spec: Spec = Spec()
    status: Status = Status()


class ConfigMap(_Object, frozen=True, kw_only=True):
    """A config map, without what it holds."""

    metadata: Metadata


class _Pods(_Object, frozen=True, kw_only=True):
    items: list[Pod]


class _ConfigMaps(_Object, frozen=True, kw_only=True):
    items: list[ConfigMap]


class KubectlCommand:
    """The `kubectl` command, with one namespace of one cluster.

    Args:
        kubeconfig: File that says how clusters are reached. Default, as of what follows: what the
            command takes by itself.
        context: One of its contexts.
        namespace: Where the pods are.
    """

    def __init__(
        self,
        kubeconfig: str | None = None,
        context: str | None = None,
        namespace: str | None = None,
    ) -> None:
        given = {"kubeconfig": kubeconfig, "context": context, "namespace": namespace}
        self._run = OutsideProgram(
            ["kubectl", *(f"--{name}={value}" for name, value in given.items() if value)],
            asked="the Kubernetes API",
            missing="Install it, or run this where it is.",
            cure="See that the cluster is up and what you may do there (`kubectl get pods`), or name "
            "another with --kubeconfig, --context and --namespace.",
            # A conflict: the one of that name is another one by now.
            gone=["(NotFound)", "(Conflict)"],
        ).run

    def pods(self) -> list[Pod]:
        """Return the pods that bear our label.

        Raises:
            OutsideProgramError: The API refuses, or does not answer.
        """
        told = self._run("get", "pods", f"--selector={GROUP_LABEL}", "--output=json")
        return msgspec.json.decode(told, type=_Pods).items

    def pods_named(self, names: Collection[str]) -> list[Pod]:
        """Return those pods that are there.

        Raises:
            OutsideProgramError: As above.
        """
        if not names:
            return []
        told = self._run("get", "pods", *names, "--ignore-not-found", "--output=json")
        if len(names) == 1:  # which is told as itself, or not at all
            return [msgspec.json.decode(told, type=Pod)] if told.strip() else []
        return msgspec.json.decode(told or '{"items": []}', type=_Pods).items

    def config_maps(self) -> list[ConfigMap]:
        """Return the config maps that bear our label.

        Raises:
            OutsideProgramError: As above.
        """
        told = self._run("get", "configmaps", f"--selector={GROUP_LABEL}", "--output=json")
        return msgspec.json.decode(told, type=_ConfigMaps).items

    def remove_pod(self, pod: Pod) -> None:
        """Delete a pod, whose containers are asked to stop first, and wait until it is gone.

        Raises:
            OutsideProgramError: The API refuses, or it does not go.
        """
        self._delete("pods", pod.metadata)
        wait_s = round(pod.spec.termination_grace_period_seconds) + _GOING_S
        waiting = ["wait", f"pod/{pod.metadata.name}", "--for=delete", f"--timeout={wait_s}s"]
        self._run(*waiting, may_be_gone=True, timeout_s=wait_s + _GOING_S)

    def remove_config_map(self, config_map: ConfigMap) -> None:
        """Delete a config map.

        Raises:
            OutsideProgramError: The API refuses.
        """
        self._delete("configmaps", config_map.metadata)

    def _delete(self, plural: Literal["pods", "configmaps"], metadata: Metadata) -> None:
        # By its identity: meanwhile a step may have made another one of its name.
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": metadata.uid},
        }
        path = f"/api/v1/namespaces/{metadata.namespace}/{plural}/{metadata.name}"
        text = msgspec.json.encode(options).decode()
        self._run("delete", f"--raw={path}", "--filename=-", text=text, may_be_gone=True)
