"""What kedro-dagster's files say in other words than the types have. Pure.

Brought into the words of the types before these judge it, so that nobody who acts on the file has
to know how else it may be written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_EXECUTORS = {
    "celery_docker_executor": "celery_docker",
    "celery_executor": "celery",
    "celery_k8s": "celery_k8s_job",
    "celery_k8s_job_executor": "celery_k8s_job",
    "dask_executor": "dask",
    "docker_executor": "docker",
    "k8s_job_executor": "k8s_job",
}
"""Kinds of executors: its name of each, and ours."""


def respell(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was read with our names of executors and of the filter by namespace."""
    rooms = {"executors": _respell_executor, "jobs": _respell_job}
    changed = {
        room: {name: rooms[room](entry) for name, entry in content.items()}
        if room in rooms and isinstance(content, Mapping)
        else content
        for room, content in raw.items()
    }
    if "executor" in changed:
        changed["executor"] = _respell_executor(changed["executor"])
    return changed


def executor_kind(name: str) -> str:
    """Return our name of a kind of executor, whichever name it was given."""
    return _EXECUTORS.get(name, name)


def _respell_executor(executor: Any) -> Any:
    if not isinstance(executor, Mapping):
        return executor
    return {executor_kind(kind): options for kind, options in executor.items()}


def _respell_job(job: Any) -> Any:
    if not isinstance(job, Mapping):
        return job
    changed = dict(job)
    if "executor" in job:
        changed["executor"] = _respell_executor(job["executor"])
    pipeline = job.get("pipeline")
    if isinstance(pipeline, Mapping) and isinstance(pipeline.get("node_namespace"), str):
        changed["pipeline"] = _with_namespaces(pipeline)
    return changed


def _with_namespaces(pipeline: Mapping[str, Any]) -> dict[str, Any]:
    """Kedro 0.19 filtered by one namespace, and kedro-dagster named its key accordingly."""
    rest = {key: value for key, value in pipeline.items() if key != "node_namespace"}
    several = rest.get("node_namespaces") or []
    return {**rest, "node_namespaces": [*several, pipeline["node_namespace"]]}
