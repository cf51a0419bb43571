"""Workers as pods of a Kubernetes cluster: which image, with what, under which name.

What the API says and does is the business of `api`, a running worker that of
`worker`.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

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
    LEASE_VARIABLE,
    MARKS_PARAM,
)
from kedro_manifest.labels import (
    ATTEMPT_LABEL,
    COMPONENT_LABEL,
    CONTEXT_LABEL,
    GROUP_LABEL,
    KUBERNETES_JOB_LABEL,
    KUBERNETES_RUN_LABEL,
    KUBERNETES_STEP_LABEL,
    LAUNCH_LABEL,
    PROCESS_LABEL,
    PROJECT_LABEL,
    STARTED_BY_LABEL,
)
from kedro_manifest.orchestration.docker import ContainerResources, Pull
from kedro_manifest.orchestration.kubernetes import PodConfig, StartLimits
from kedro_manifest.processes import ProcessIdentity
from pydantic import Field

from dagster_kedro.clients.attempts import attempt_of
from dagster_kedro.clients.base import KedroClient, Worker, WorkerLaunch
from dagster_kedro.clients.kubernetes.api import owner_reference
from dagster_kedro.clients.kubernetes.connection import ClusterAddress, Connection, connected
from dagster_kedro.clients.kubernetes.errors import (
    CONFLICT,
    NOT_FOUND,
    ApiRefusedError,
    ApiUnreachableError,
    explained,
)
from dagster_kedro.clients.kubernetes.inherited import config_of_step
from dagster_kedro.clients.kubernetes.objects import Pod
from dagster_kedro.clients.kubernetes.pod import (
    CONTEXT_FILE,
    CONTEXT_FOLDER,
    PodPlan,
    as_label,
    describe_pod,
    memory_limit,
    merged_config,
    pod_name,
)
from dagster_kedro.clients.kubernetes.worker import PodWorker
from dagster_kedro.clients.variables import variables_named
from dagster_kedro.errors import WorkerNotStartedError

_LONGEST_CONTEXT = 64 * 1024
"""Characters of a context that goes into a variable; the kernel takes 128 KiB."""
_LARGEST_MAP_BYTES = 1_000_000
"""What the API takes in a config map is 1 MiB."""
_DEADLINE_MARGIN_S = 60
_GOING_S = 60.0
_POLL_S = 0.2
_IDENTITY = (KUBERNETES_RUN_LABEL, KUBERNETES_STEP_LABEL, GROUP_LABEL, ATTEMPT_LABEL)


class KedroK8sClient(KedroClient):
    """Runs each worker in a pod of its own, which is deleted when it has ended.

    Example:
        >>> KedroK8sClient(
        ...     image="registry.example.com/flights:1.4",
        ...     service_account="flights-workers",
        ...     resources={"cpus": 2, "memory": "4g"},
        ... )
    """

    image: str = Field(description="Image of the project, with `kedro-dagster-pipes[kedro]`.")
    namespace: str | None = Field(
        default=None, description="Default: that of this pod, or of the context."
    )
    kubeconfig: str | None = Field(
        default=None,
        description="File that says how the cluster is reached. Default: this pod's service "
        "account, elsewhere what `kubectl` would take.",
    )
    context: str | None = Field(default=None, description="A context of that file.")
    pull: Pull = Field(default="missing", description="When nodes fetch the image.")
    image_pull_secrets: list[str] = Field(default_factory=list)
    service_account: str | None = Field(
        default=None, description="Of the workers, which need no rights at all."
    )
    resources: dict[str, Any] = Field(
        default_factory=dict,
        description="`cpus`, `memory` and `shm_size` (`2g`), `gpus` (a number): requests and limits.",
    )
    env: dict[str, str] = Field(
        default_factory=dict, description="Variables that are set for every worker."
    )
    pass_env: list[str] = Field(
        default_factory=list,
        description="Variables to hand on from the orchestrator; `*` stands for anything.",
    )
    env_secrets: list[str] = Field(
        default_factory=list, description="Secrets whose every key becomes a variable."
    )
    env_config_maps: list[str] = Field(
        default_factory=list, description="Config maps whose every key becomes a variable."
    )
    labels: dict[str, str] = Field(default_factory=dict)
    pod: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="`container_config`, `pod_spec_config`, `pod_template_spec_metadata`: whatever "
        "else Kubernetes takes, as in dagster-k8s.",
    )
    python: str = Field(default="python", description="Interpreter, in the image.")
    project_dir: str | None = Field(
        default=None,
        description="The project's folder, in the image. Default: the image's working directory.",
    )
    mount_project: bool = Field(
        default=False,
        description="Whether the project's folder of this machine is mounted, at the same path: for "
        "a cluster on this machine whose nodes see that path.",
    )
    grace_s: float = Field(
        default=10.0, description="Seconds between asking a worker to stop and killing it.", ge=0
    )
    lease_s: float = Field(
        default=60.0,
        description="Seconds after which a worker that hears nothing of us ends itself; 0 for never.",
        ge=0,
    )
    requests_per_s: float = Field(
        default=50.0,
        description="Requests to the API at most, of all workers of a run together.",
        gt=0,
    )
    limits: dict[str, float] = Field(
        default_factory=dict,
        description="`schedule_s`, `pull_s` and `start_s`: how long a pod may take to run.",
    )

    def overridable(self) -> frozenset[str]:
        """Return what a pod takes."""
        return frozenset({"python", "env", "image", "resources", "pod"})

    @contextmanager
    def launch(self, launch: WorkerLaunch) -> Iterator[Worker]:
        """Create one pod; on leaving it is deleted, with what belongs to it."""
        run = as_label(str(launch.context_data["run_id"]))
        address = ClusterAddress(self.kubeconfig, self.context, self.namespace, self.requests_per_s)
        limits = _read(self.limits, StartLimits, "limits")
        with connected(address, f"{KUBERNETES_RUN_LABEL}={run},{GROUP_LABEL}") as connection:
            body, context = self._described(connection, launch)
            name = body["metadata"]["name"]
            if context is not None:
                _create_context(connection, body, context)
            try:
                pod = _create(connection, body)
                worker = PodWorker(
                    connection,
                    pod,
                    launch.group,
                    grace_s=self.grace_s,
                    lease_s=self.lease_s,
                    limits=limits,
                    memory_bytes=memory_limit(body),
                )
                try:
                    if context is not None:
                        with explained("hand over what the worker is to do", "Allow to patch."):
                            connection.api.own_config_map(name, owner_reference(pod))
                    yield worker
                finally:
                    try:
                        _end(connection, worker, pod, launch)
                    finally:
                        worker.close()
            finally:
                if context is not None:
                    with _may_be_left(f"config map '{name}'", launch):
                        connection.api.delete_config_map(name)

    def _described(
        self, connection: Connection, launch: WorkerLaunch
    ) -> tuple[dict[str, Any], str | None]:
        """Return the pod, and its context where that has to be put beside it."""
        context = encode_param({"data": launch.context_data})
        data = json.dumps(launch.context_data)
        is_large = len(context) > _LONGEST_CONTEXT
        if is_large:
            context = encode_param({"path": f"{CONTEXT_FOLDER}/{CONTEXT_FILE}"})
            if len(data) > _LARGEST_MAP_BYTES:
                raise WorkerNotStartedError(
                    f"Cannot hand over what the worker is to do: it is {len(data):,} bytes, and a "
                    "config map holds 1 MiB. Make smaller groups, or runs of fewer partitions."
                )
        name = pod_name(launch)
        overrides = launch.overrides
        resources = {**self.resources, **overrides.resources}
        plan = PodPlan(
            name=name,
            labels=self._labels(launch),
            annotations=_annotations(launch, data),
            owner=connection.owner,
            image=overrides.image or self.image,
            pull=self.pull,
            image_pull_secrets=self.image_pull_secrets,
            service_account=self.service_account,
            command=self._command(launch),
            working_dir=str(launch.project_dir) if self.mount_project else self.project_dir,
            mounts_working_dir=self.mount_project,
            env=self._variables(launch, context),
            env_secrets=self.env_secrets,
            env_config_maps=self.env_config_maps,
            resources=_read(resources, ContainerResources, "resources"),
            context_map=name if is_large else None,
            takes_input=bool(self.lease_s),
            grace_s=self.grace_s,
            deadline_s=self._deadline_s(launch),
        )
        for layer in (self.pod, overrides.pod):
            _read(layer, PodConfig, "pod")
        inherited = config_of_step(launch.step_context) if launch.step_context else {}
        raw = merged_config(self.pod, overrides.pod)
        body = describe_pod(plan, raw, merged_config(inherited))
        return body, data if is_large else None

    def _variables(self, launch: WorkerLaunch, context: str) -> dict[str, str]:
        messages = {"stdio": "stdout", FRAMES_PARAM: True, MARKS_PARAM: True}
        lease = {CONTROL_VARIABLE: "0", LEASE_VARIABLE: str(self.lease_s)} if self.lease_s else {}
        return {
            **variables_named(os.environ, self.pass_env),
            **self.env,
            **launch.overrides.env,
            DAGSTER_PIPES_CONTEXT_ENV_VAR: context,
            DAGSTER_PIPES_MESSAGES_ENV_VAR: encode_param(messages),
            GRACE_VARIABLE: str(self.grace_s),
            "PYTHONUNBUFFERED": "1",
            **lease,
        }

    def _command(self, launch: WorkerLaunch) -> list[str]:
        python = launch.overrides.python or self.python
        if launch.command is None:
            return [python, "-m", "kedro_pipes"]
        # Only our worker has a guardian of its own.
        return [python, "-m", "kedro_pipes.guardian", *launch.command]

    def _labels(self, launch: WorkerLaunch) -> dict[str, str]:
        context = launch.context_data
        said = {
            KUBERNETES_RUN_LABEL: str(context["run_id"]),
            KUBERNETES_JOB_LABEL: str(context["job_name"] or ""),
            KUBERNETES_STEP_LABEL: launch.step,
            PROJECT_LABEL: Path(launch.project_dir).name,
            GROUP_LABEL: launch.group,
            ATTEMPT_LABEL: attempt_of(launch),
        }
        # As dagster-k8s says it of its own pods.
        component = {COMPONENT_LABEL: "worker"}
        return {**component, **self.labels, **{key: as_label(value) for key, value in said.items()}}

    def _deadline_s(self, launch: WorkerLaunch) -> int | None:
        """Return after how many seconds the cluster ends it, if we have not done so long before."""
        if launch.timeout_s is None:
            return None
        limits: StartLimits = _read(self.limits, StartLimits, "limits")
        return round(launch.timeout_s + self.grace_s + limits.start_s + _DEADLINE_MARGIN_S)


def _annotations(launch: WorkerLaunch, data: str) -> dict[str, str]:
    process = ProcessIdentity.of_this_process()
    return {
        GROUP_LABEL: launch.group,
        STARTED_BY_LABEL: f"{socket.gethostname()}:{os.getpid()}",
        LAUNCH_LABEL: uuid.uuid4().hex,
        CONTEXT_LABEL: hashlib.sha256(data.encode()).hexdigest(),
        **({PROCESS_LABEL: str(process)} if process else {}),
    }


def _create_context(connection: Connection, body: dict[str, Any], context: str) -> None:
    metadata = body["metadata"]
    owners = {"ownerReferences": [connection.owner]} if connection.owner else {}
    with explained("hand over what the worker is to do", "Allow to create config maps."):
        connection.api.create_config_map(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": metadata["name"], "labels": metadata["labels"], **owners},
                "data": {CONTEXT_FILE: context},
            }
        )


def _create(connection: Connection, body: dict[str, Any]) -> Pod:
    """Create a pod; where one of its name is there, take it over if it does the same already.

    It was made by an orchestrator that is gone, for the very attempt that is begun again here.
    """
    what = f"create pod '{body['metadata']['name']}' in namespace '{connection.api.namespace}'"
    grace_s = body["spec"]["terminationGracePeriodSeconds"]
    deadline = time.monotonic() + grace_s + _GOING_S
    with explained(what, "Mend the client's settings, or the orchestrator's rights."):
        while True:
            try:
                return connection.api.create_pod(body)
            except ApiRefusedError as error:
                if error.code != CONFLICT or time.monotonic() > deadline:
                    raise
            if (found := _takeover(connection, body)) is not None:
                return found
            time.sleep(_POLL_S)


def _takeover(connection: Connection, body: dict[str, Any]) -> Pod | None:
    """Return the pod that has the name, if it is to be followed; else see that it goes."""
    wanted = body["metadata"]
    try:
        found = connection.api.get_pod(wanted["name"])
    except ApiRefusedError as error:
        if error.code == NOT_FOUND:
            return None
        raise
    theirs, ours = found.metadata.annotations, wanted["annotations"]
    if any(found.metadata.labels.get(key) != wanted["labels"][key] for key in _IDENTITY):
        raise ApiRefusedError(CONFLICT, "its name is taken by a pod that is not ours")
    if found.metadata.deletion_timestamp:
        return None
    if theirs.get(LAUNCH_LABEL) == ours[LAUNCH_LABEL]:
        return found  # the answer to an earlier request was lost
    is_same = theirs.get(CONTEXT_LABEL) == ours[CONTEXT_LABEL]
    is_ours = theirs.get(STARTED_BY_LABEL) == ours[STARTED_BY_LABEL]
    if is_same and not is_ours and found.status.phase in ("Pending", "Running"):
        return found
    # In its own time: without grace its name would be free while its node still runs it.
    connection.api.delete_pod(found.metadata.name, found.metadata.uid, None)
    return None


def _end(connection: Connection, worker: PodWorker, pod: Pod, launch: WorkerLaunch) -> None:
    """See that nothing of a worker runs any more, and remove its pod."""
    with suppress(WorkerNotStartedError):  # it has been said why
        worker.stop()
    with _may_be_left(worker.place, launch):
        connection.api.delete_pod(pod.metadata.name, pod.metadata.uid, 0)


@contextmanager
def _may_be_left(what: str, launch: WorkerLaunch) -> Iterator[None]:
    """Warn of something that we may not delete; the outcome of the worker is another matter."""
    try:
        yield
    except ApiUnreachableError:
        pass
    except ApiRefusedError as error:
        if launch.step_context is not None:
            launch.step_context.log.warning(
                f"Cannot delete {what}: the Kubernetes API refuses it ({error.code}): {error}. "
                "Give the orchestrator's service account the right, and remove what is left with "
                "`kedro pipes k8s sweep`."
            )


def _read(given: Any, kind: type[Any], name: str) -> Any:
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        fields = ", ".join(f"`{each}`" for each in kind.__struct_fields__)
        raise OrchestrationError(
            f"Cannot use `{name}` of a Kubernetes client: {error}. It takes {fields}."
        ) from error
