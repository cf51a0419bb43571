"""Which pods and config maps nobody waits for any more. Decides; asks and removes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from kedro_manifest.labels import KUBERNETES_RUN_LABEL, PROCESS_LABEL
from kedro_manifest.processes import ProcessIdentity

from kedro_pipes.commands.k8s.cluster import ConfigMap, Metadata, Owner, Pod
from kedro_pipes.commands.leftovers import Limits, Reason

_ENDED = ("Succeeded", "Failed")


def owners_of(pods: Iterable[Pod]) -> list[Owner]:
    """Return the pods of Dagster that own some of ours."""
    owners = (owner_of(each.metadata) for each in pods)
    return list({each.uid: each for each in owners if each is not None}.values())


def owner_of(metadata: Metadata) -> Owner | None:
    """Return the pod of Dagster's from which something was made; None if it was made elsewhere."""
    return next((each for each in metadata.owner_references if each.kind == "Pod"), None)


def reason_to_keep(pod: Pod, owners: Collection[str], limits: Limits) -> Reason | None:
    """Return why a pod is not for us to remove; None if it is.

    Args:
        pod: One of ours.
        owners: Which of the pods that own ours run, by uid.
        limits: What is meant.
    """
    if pod.metadata.deletion_timestamp is not None:
        return "goes"
    return limits.reason_to_keep(
        step_is_alive=step_is_alive(pod, owners), is_running=is_running(pod), since=since(pod)
    )


def step_is_alive(pod: Pod, owners: Collection[str]) -> bool | None:
    """Tell whether the step that waits for a pod runs; None if that cannot be known here."""
    process = ProcessIdentity.read(pod.metadata.annotations.get(PROCESS_LABEL, ""))
    alive = process.is_alive() if process else None
    owner = owner_of(pod.metadata)
    return owner.uid in owners if alive is None and owner is not None else alive


def is_running(pod: Pod) -> bool:
    """Tell whether a pod has containers that run, or will."""
    return pod.status.phase not in _ENDED


def since(pod: Pod) -> datetime:
    """Return when a pod came to be as it is."""
    created = pod.metadata.creation_timestamp
    if is_running(pod):
        return pod.status.start_time or created
    ended = [each.state.terminated for each in pod.status.container_statuses]
    return max([created, *(each.finished_at for each in ended if each and each.finished_at)])


def left_maps(
    config_maps: Iterable[ConfigMap], pods: Collection[str], limits: Limits
) -> list[ConfigMap]:
    """Return the config maps that belong to none of some pods, and to none that is just being made."""
    return [
        each
        for each in config_maps
        # One that a pod owns goes with it.
        if each.metadata.name not in pods
        and limits.include(run_of(each.metadata), each.metadata.creation_timestamp)
        and limits.is_settled(each.metadata.creation_timestamp)
    ]


def run_of(metadata: Metadata) -> str:
    """Return the id of the Dagster run that something was made for."""
    return metadata.labels.get(KUBERNETES_RUN_LABEL, "")
