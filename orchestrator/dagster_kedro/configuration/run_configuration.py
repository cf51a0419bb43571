"""The part of a run's configuration that is for a project's resource, and what it lacks of its job's.

Knows names and nested values; what may stand there is the Launchpad's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import msgspec
from kedro_manifest.orchestration.factories import NamedJob, expand_jobs
from kedro_manifest.orchestration.root import Orchestration

from dagster_kedro.assets.index import AssetIndex
from dagster_kedro.configuration.job_options import settings_of
from dagster_kedro.configuration.settings import RunSettings

RESOURCE_KEY = "kedro"


def resource_key(index: AssetIndex) -> str:
    """Return the name under which a project's resource is bound: `kedro`, after its prefix."""
    return index.name_for(RESOURCE_KEY)


def run_config(index: AssetIndex, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the run configuration that gives a project's resource some settings."""
    return {"resources": {resource_key(index): {"config": dict(settings)}}} if settings else {}


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested values, as Kedro merges runtime parameters over its own."""
    result = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result


def with_settings_of_job(
    settings: RunSettings, run: dg.DagsterRun, index: AssetIndex, orchestration: Orchestration
) -> RunSettings:
    """Return the settings of a run, those of its job over them if it was launched without any.

    Dagster itself gives a job's configuration to such runs, but not where the job has partitions
    and whoever launches the run does not ask for that of its partition.
    """
    job = _job_of(run, index, orchestration)
    if job is None or _given(run, index) is not None:
        return settings
    of_job = settings_of(job.job)
    if "client" in of_job:
        of_job["client_name"] = of_job.pop("client")
    parameters = merged(settings.parameters, of_job.pop("parameters", {}))
    return msgspec.structs.replace(settings, **of_job, parameters=parameters)


def lost_settings(run: dg.DagsterRun, index: AssetIndex, orchestration: Orchestration) -> list[str]:
    """Return the dotted keys of a job in `dagster.yml` that count for nothing in one of its runs.

    Dagster takes a run's configuration of a resource instead of the job's, whole.
    """
    given = _given(run, index)
    job = _job_of(run, index, orchestration)
    if given is None or job is None:
        return []
    return [f"{job.place}.{lost}" for lost in _missing(settings_of(job.job), given)]


def _given(run: dg.DagsterRun, index: AssetIndex) -> Mapping[str, Any] | None:
    """Return what the run itself brings for the resource; None where it says nothing of it."""
    resources: Any = run.run_config.get("resources") or {}
    config: Mapping[str, Any] | None = (resources.get(resource_key(index)) or {}).get("config")
    return config


def _job_of(run: dg.DagsterRun, index: AssetIndex, orchestration: Orchestration) -> NamedJob | None:
    jobs = expand_jobs(index.graph, orchestration.jobs)
    return next((each for each in jobs if index.name_for(each.name) == run.job_name), None)


def _missing(wanted: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    for key, value in wanted.items():
        if key not in given:
            yield key
        elif isinstance(value, Mapping) and isinstance(given[key], Mapping):
            yield from (f"{key}.{inner}" for inner in _missing(value, given[key]))
