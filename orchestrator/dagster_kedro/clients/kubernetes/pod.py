"""How a worker's pod is described: defaults, what Dagster says of its pods, the client, raw settings.

Describes; creates nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import reduce
from typing import Any

import msgspec
from kedro_manifest.orchestration.docker import ContainerResources

from dagster_kedro.clients.attempts import digest_of
from dagster_kedro.clients.base import WorkerLaunch
from dagster_kedro.clients.kubernetes.api import checked_config
from dagster_kedro.clients.kubernetes.reasons import WORKER
from dagster_kedro.errors import WorkerNotStartedError

CONTEXT_FOLDER = "/run/kedro-pipes"
CONTEXT_FILE = "context.json"
RawConfig = Mapping[str, Mapping[str, Any]]
"""Raw settings by part, as in `PodConfig`."""

_LONGEST_LABEL = 63
_NO_LABEL = re.compile(r"[^a-zA-Z0-9_.-]+")
_NO_NAME = re.compile(r"[^a-z0-9-]+")
_PULL = {"missing": "IfNotPresent", "always": "Always", "never": "Never"}
_UNITS = {"b": "", "k": "Ki", "m": "Mi", "g": "Gi"}
_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What the Pod Security Standards call restricted."""
_DEFAULTS: RawConfig = {
    "container_config": {"securityContext": _RESTRICTED},
    # A worker has no business with the API.
    "pod_spec_config": {"automountServiceAccountToken": False, "enableServiceLinks": False},
}
_TOLD_APART_BY = {
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "containers": "name",
    "initContainers": "name",
}
"""Lists of which an entry takes the place of another one with the same value of this."""
_FACTORS = {"b": 1, "k": 2**10, "m": 2**20, "g": 2**30}


class PodPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a pod is made of, besides raw settings."""

    name: str
    labels: dict[str, str]
    annotations: dict[str, str]
    owner: dict[str, Any] | None
    image: str
    pull: str
    image_pull_secrets: list[str]
    service_account: str | None
    command: list[str]
    working_dir: str | None
    mounts_working_dir: bool
    """Whether it is the node's own folder of that path."""
    env: dict[str, str]
    env_secrets: list[str]
    env_config_maps: list[str]
    resources: ContainerResources
    context_map: str | None
    """Config map with the worker's context, where that is large."""
    takes_input: bool
    """Whether its standard input stays open, for its lease."""
    grace_s: float
    deadline_s: int | None


def pod_name(launch: WorkerLaunch) -> str:
    """Return a name that is the same for the same attempt at a group, and for no other."""
    group = _NO_NAME.sub("-", launch.group.lower()).strip("-")[:40].rstrip("-") or "group"
    return f"kedro-{group}-{digest_of(launch)}"


def as_label(text: str) -> str:
    """Return a text as the value of a label, which takes few characters and not many of them."""
    return _NO_LABEL.sub("-", text)[:_LONGEST_LABEL].strip("-_.")


def merged_config(*layers: RawConfig, place: str = "`pod`") -> dict[str, dict[str, Any]]:
    """Return raw settings as the API spells them, each layer over those before it.

    Mappings are merged, and lists added to, as dagster-k8s does.

    Args:
        layers: In either spelling.
        place: Where they are said, for a message.

    Raises:
        WorkerNotStartedError: There is something that the API does not know.
    """
    found: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for part, given in layer.items():
            try:
                checked = checked_config(part, given)
            except ValueError as error:
                raise WorkerNotStartedError(
                    f"Cannot describe a pod: `{part}` of {place} has something that Kubernetes does "
                    f"not know: {error}. Mend it; `kubectl explain pod.spec` tells what there is."
                ) from error
            found[part] = _merged(found.get(part, {}), checked)
    return found


def describe_pod(plan: PodPlan, raw: RawConfig, inherited: RawConfig) -> dict[str, Any]:
    """Return a pod as the API takes it.

    Args:
        plan: What the client says.
        raw: What its user says besides, as `merged_config` returns it, over all else.
        inherited: What Dagster says of its pods, as `merged_config` returns it, under all else.

    Raises:
        WorkerNotStartedError: A resource cannot be asked of Kubernetes.
    """
    said: RawConfig = {
        "container_config": _container(plan),
        "pod_spec_config": _spec(plan),
        "pod_template_spec_metadata": {"labels": plan.labels, "annotations": plan.annotations},
    }
    layers = (_DEFAULTS, inherited, said, raw)
    found: list[dict[str, Any]] = [
        reduce(_merged, (dict(layer.get(part, {})) for layer in layers)) for part in said
    ]
    container, spec, metadata = found
    spec["restartPolicy"] = "Never"  # another start would be another attempt
    spec["containers"] = [container, *spec.get("containers", [])]
    metadata["labels"] = {**metadata["labels"], **plan.labels}
    metadata["name"] = plan.name
    if plan.owner:
        metadata["ownerReferences"] = [plan.owner]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def memory_limit(body: Mapping[str, Any]) -> int | None:
    """Return the bytes that a described pod's worker may use; None for any number."""
    limits = body["spec"]["containers"][0].get("resources", {}).get("limits", {})
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMG]i)?", str(limits.get("memory", "")))
    if found is None:
        return None
    return int(float(found[1]) * _FACTORS[found[2][0].lower() if found[2] else "b"])


def _container(plan: PodPlan) -> dict[str, Any]:
    mounts: list[dict[str, Any]] = []
    if plan.context_map:
        mounts.append({"name": "context", "mountPath": CONTEXT_FOLDER, "readOnly": True})
    if plan.resources.shm_size:
        mounts.append({"name": "shm", "mountPath": "/dev/shm"})  # noqa: S108 - Kubernetes mounts it
    if plan.mounts_working_dir:
        mounts.append({"name": "project", "mountPath": plan.working_dir})
    sources = [{"secretRef": {"name": each}} for each in plan.env_secrets]
    sources += [{"configMapRef": {"name": each}} for each in plan.env_config_maps]
    return _said(
        {
            "name": WORKER,
            "image": plan.image,
            "imagePullPolicy": _PULL[plan.pull],
            "command": plan.command,
            "workingDir": plan.working_dir,
            "env": [{"name": name, "value": value} for name, value in plan.env.items()],
            "envFrom": sources,
            "resources": _resources(plan.resources),
            "volumeMounts": mounts,
            # Open for whoever attaches next: a connection may break.
            "stdin": plan.takes_input or None,
        }
    )


def _spec(plan: PodPlan) -> dict[str, Any]:
    return _said(
        {
            "terminationGracePeriodSeconds": max(1, round(plan.grace_s)),
            "serviceAccountName": plan.service_account,
            "imagePullSecrets": [{"name": each} for each in plan.image_pull_secrets],
            "activeDeadlineSeconds": plan.deadline_s,
            "volumes": _volumes(plan),
        }
    )


def _volumes(plan: PodPlan) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = []
    if plan.context_map:
        volumes.append({"name": "context", "configMap": {"name": plan.context_map}})
    if plan.resources.shm_size:
        memory = {"medium": "Memory", "sizeLimit": _quantity(plan.resources.shm_size)}
        volumes.append({"name": "shm", "emptyDir": memory})
    if plan.mounts_working_dir:
        path = {"path": plan.working_dir, "type": "Directory"}
        volumes.append({"name": "project", "hostPath": path})
    return volumes


def _resources(asked: ContainerResources) -> dict[str, Any]:
    """Return requests that are the limits: what a worker may take is there for it."""
    found: dict[str, Any] = {}
    if asked.cpus:
        found["cpu"] = f"{round(asked.cpus * 1000)}m"
    if asked.memory:
        found["memory"] = _quantity(asked.memory)
    if asked.gpus is not None:
        if not isinstance(asked.gpus, int):
            raise WorkerNotStartedError(
                f"Cannot ask Kubernetes for GPUs {asked.gpus!r}: expected how many. Say "
                "`gpus: 1`, and which kind by `pod: {pod_spec_config: {node_selector: …}}`."
            )
        found["nvidia.com/gpu"] = str(asked.gpus)
    return {"requests": found, "limits": found} if found else {}


def _quantity(size: str) -> str:
    """Return a size in Kubernetes's spelling: `4g` is `4Gi`."""
    unit = size[-1].lower()
    return f"{size[:-1]}{_UNITS[unit]}" if unit in _UNITS else size


def _merged(under: Any, over: Any, name: str = "") -> Any:
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        both = {key: _merged(under[key], over[key], key) for key in under.keys() & over.keys()}
        return {**under, **over, **both}
    if isinstance(under, list) and isinstance(over, list):
        key = _TOLD_APART_BY.get(name)
        taken = [each[key] for each in over] if key else over
        return [each for each in under if (each[key] if key else each) not in taken] + over
    return over


def _said(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if value not in (None, [], {})}
