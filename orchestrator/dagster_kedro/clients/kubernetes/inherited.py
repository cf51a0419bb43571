"""What dagster-k8s's conventions say of a step's pods, as far as a worker's pod is concerned.

Reads tags and container contexts as dagster-k8s itself does. Knows no client of ours, and creates
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg
from dagster_k8s import K8sRunLauncher
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import UserDefinedDagsterK8sConfig, get_user_defined_k8s_config

from dagster_kedro.clients.kubernetes.pod import RawConfig, merged_config
from dagster_kedro.errors import WorkerNotStartedError

_PARTS = ("container_config", "pod_spec_config", "pod_template_spec_metadata")
_ANY_RUN = dg.DagsterRun(job_name="any")
_OURS: Mapping[str, frozenset[str]] = {
    # How a worker is started, and listened to, which its client says.
    "container_config": frozenset(
        [
            "name",
            "image",
            "image_pull_policy",
            "command",
            "args",
            "working_dir",
            "stdin",
            "stdin_once",
            "tty",
        ]
    ),
    "pod_spec_config": frozenset(("restart_policy",)),
}
_OF_RUNS: Mapping[str, frozenset[str]] = {
    # A run's pod waits for its workers, which it has the right to start.
    "container_config": frozenset(("resources",)),
    "pod_spec_config": frozenset(("service_account", "service_account_name")),
}
_METADATA = frozenset(("labels", "annotations"))


def config_of_step(step: dg.AssetExecutionContext) -> RawConfig:
    """Return what container contexts and tags say of the pods of a step's workers.

    Args:
        step: Its context.

    Raises:
        WorkerNotStartedError: One of them cannot be read, or Kubernetes does not know what it says;
            the message has its place.
    """
    origin = step.run.job_code_origin
    return inherited_config(
        launcher=step.instance.run_launcher,
        container_context=origin.repository_origin.container_context if origin else None,
        tags={
            f"run {step.run_id}, or of its job '{step.job_name}'": step.run.tags,
            f"op '{step.op.name}'": step.get_step_execution_context().step.tags,
        },
    )


def inherited_config(
    *,
    launcher: object,
    container_context: Mapping[str, Any] | None,
    tags: Mapping[str, Mapping[str, str]],
) -> RawConfig:
    """Return the same; each of these goes over those before it, merged as dagster-k8s does.

    Args:
        launcher: The instance's run launcher, which counts if it is Kubernetes's.
        container_context: That of the code location.
        tags: Of the run and of the op, by whose they are.

    Raises:
        WorkerNotStartedError: As said.
    """
    ours = launcher if isinstance(launcher, K8sRunLauncher) else None
    of_instance = _checked("the run launcher in `dagster.yaml`", lambda: _of_launcher(ours))
    said = _checked("the container context of the code location", lambda: _of(container_context))
    for owner, each in tags.items():
        said = said.merge(_checked(f"the tag `dagster-k8s/config` of {owner}", _reader(each)))
    if ours is not None:
        allowed = ours.only_allow_user_defined_k8s_config_fields
        variables = ours.only_allow_user_defined_env_vars
        said = _checked(
            "a tag `dagster-k8s/config`, or the container context of the code location,",
            lambda: said.validate_user_k8s_config_for_run(allowed, variables),
        )
    return _parts(of_instance.merge(said))


def _of_launcher(launcher: K8sRunLauncher | None) -> K8sContainerContext:
    found = K8sContainerContext.create_for_run(_ANY_RUN, launcher, include_run_tags=False)
    return _without(found, _OF_RUNS)


def _of(container_context: Mapping[str, Any] | None) -> K8sContainerContext:
    return _without(K8sContainerContext.create_from_config(container_context), _OF_RUNS)


def _reader(tags: Mapping[str, str]) -> Callable[[], K8sContainerContext]:
    return lambda: K8sContainerContext(run_k8s_config=get_user_defined_k8s_config(tags))


def _checked(place: str, read: Callable[[], K8sContainerContext]) -> K8sContainerContext:
    """Return what is said at a place, if Kubernetes knows all of it."""
    try:
        found = _without(read(), _OURS)
    except Exception as error:  # dagster-k8s raises no kind of its own
        words = " ".join(str(error).split()).rstrip(".")
        raise WorkerNotStartedError(
            f"Cannot describe a pod: {place} cannot be used: {words}. Mend it; "
            "it is read as dagster-k8s reads it."
        ) from error
    merged_config(_parts(found), place=place)
    return found


def _without(
    context: K8sContainerContext, names: Mapping[str, frozenset[str]]
) -> K8sContainerContext:
    said = context.run_k8s_config.to_dict()
    for part, left_out in names.items():
        said[part] = {key: each for key, each in said[part].items() if key not in left_out}
    return context._replace(run_k8s_config=UserDefinedDagsterK8sConfig.from_dict(said))


def _parts(context: K8sContainerContext) -> RawConfig:
    said = context.run_k8s_config.to_dict()
    found: dict[str, dict[str, Any]] = {part: dict(said[part]) for part in _PARTS if said[part]}
    if metadata := found.get("pod_template_spec_metadata"):
        # Its name, namespace and owner are ours to give.
        found["pod_template_spec_metadata"] = {
            key: each for key, each in metadata.items() if key in _METADATA
        }
    return found
