"""Sensors of `dagster.yml`: files that appear or change, and jobs that follow jobs.

Definition time, and the evaluation of a tick. Annotations are not postponed here, since Dagster
reads those of the functions that it calls.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration.automation import FileSensor, RunStatusSensor
from kedro_manifest.orchestration.factories import expand_jobs
from kedro_manifest.orchestration.root import Orchestration
from kedro_manifest.settings.sensors import check_sensors

from dagster_kedro.assets.index import AssetIndex
from dagster_kedro.automation.file_watch import FileWatch

_STATUSES = {
    "success": dg.DagsterRunStatus.SUCCESS,
    "failure": dg.DagsterRunStatus.FAILURE,
    "canceled": dg.DagsterRunStatus.CANCELED,
    "started": dg.DagsterRunStatus.STARTED,
}
_PARTITION = "dagster/partition"
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
_AFTER_RUN = "kedro/after_run"


def build_sensors(
    index: AssetIndex, orchestration: Orchestration, jobs: Mapping[str, Any]
) -> list[dg.SensorDefinition]:
    """Return the sensors of a project on files and runs.

    Where only some pipelines are defined, sensors for the jobs of others are left out with them.

    Args:
        index: Of the project's assets.
        orchestration: The project's `dagster.yml`.
        jobs: Dagster's jobs, by their names in `dagster.yml` or those of registered pipelines.

    Raises:
        OrchestrationError: A sensor names what is not there, or could never do what it says.
    """
    check_sensors(orchestration, index.graph)
    builder = _SensorBuilder(index, orchestration, jobs)
    return list(builder.build())


def automation_sensors(
    index: AssetIndex,
    orchestration: Orchestration,
    specs: Iterable[dg.AssetSpec],
    part: Sequence[str] = (),
) -> list[dg.SensorDefinition]:
    """Return the sensor that acts on conditions, if it is to be on from the start.

    Dagster adds one of its own, which is off, for what no other sensor is for.

    Args:
        index: Of the project's assets.
        orchestration: The project's `dagster.yml`.
        specs: Of the assets that are defined.
        part: Words that tell a part of the project from others; none for the whole.
    """
    automated = [spec.key for spec in specs if spec.automation_condition is not None]
    if not automated or orchestration.automation_sensor == "stopped":
        return []
    return [
        dg.AutomationConditionSensorDefinition(
            index.name_for(*part, "automation"),
            target=dg.AssetSelection.assets(*automated),
            default_status=dg.DefaultSensorStatus.RUNNING,
        )
    ]


class _SensorBuilder:
    def __init__(
        self, index: AssetIndex, orchestration: Orchestration, jobs: Mapping[str, Any]
    ) -> None:
        self._index = index
        self._orchestration = orchestration
        self._jobs = jobs
        self._elsewhere = {named.name for named in expand_jobs(index.graph, orchestration.jobs)}
        if orchestration.pipeline_jobs:
            self._elsewhere |= {each.name for each in index.manifest.pipelines if each.nodes}

    def build(self) -> Iterator[dg.SensorDefinition]:
        for name, sensor in self._orchestration.sensors.items():
            job = self._job(f"sensors.{name}.job", sensor.job)
            if isinstance(sensor, FileSensor):
                if job is not None:
                    yield self._on_files(name, sensor, job)
            else:
                watched = self._job(f"sensors.{name}.after", sensor.after)
                if job is not None and watched is not None:
                    yield self._after_run(name, sensor, job, watched)

    def _on_files(self, name: str, sensor: FileSensor, job: Any) -> dg.SensorDefinition:
        watch = FileWatch(name, sensor, self._index, self._orchestration, job)

        @dg.sensor(**self._options(name, sensor), job=job)
        def look_for_files(context: dg.SensorEvaluationContext) -> dg.SensorResult:
            return watch.look(context.cursor)

        return look_for_files

    def _after_run(
        self, name: str, sensor: RunStatusSensor, job: Any, watched: Any
    ) -> dg.SensorDefinition:
        @dg.run_status_sensor(
            run_status=_STATUSES[sensor.status],
            monitored_jobs=[watched],
            request_job=job,
            **self._options(name, sensor),
        )
        def follow(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
            return _follow_up(context, job.name, sensor.tags)

        return follow

    def _options(self, name: str, sensor: FileSensor | RunStatusSensor) -> dict[str, Any]:
        return {
            "name": self._index.name_for(name),
            "description": sensor.description,
            "minimum_interval_seconds": sensor.interval_s,
            "default_status": dg.DefaultSensorStatus[sensor.default_status.upper()],
        }

    def _job(self, place: str, name: str) -> Any:
        """Return a job; None if it belongs to a part of the project that is not defined here."""
        if name in self._jobs:
            return self._jobs[name]
        if name not in self._elsewhere:
            known = {*self._jobs, *self._elsewhere}
            raise OrchestrationError.unknown(place, "job", name, known)
        split = [f"{name}_{entry}" for entry in self._orchestration.partitions]
        if parts := [part for part in split if part in self._jobs]:
            raise OrchestrationError.at(
                place,
                f"pipeline '{name}' has a job for each of its partitions definitions",
                f"Name one of {', '.join(map(repr, parts))}.",
            )
        warnings.warn(
            f"dagster.yml: the sensor of {place} is left out: job '{name}' is outside of the "
            "pipelines that these definitions are made of.",
            stacklevel=2,
        )
        return None


def _follow_up(
    context: dg.RunStatusSensorContext, job_name: str, tags: Mapping[str, str]
) -> dg.RunRequest | dg.SkipReason:
    """Launch a job after a run, of the same partitions if it has partitions."""
    run = context.dagster_run
    tags = {**tags, _AFTER_RUN: run.run_id}
    if not _is_partitioned(context, job_name):
        return dg.RunRequest(run_key=run.run_id, tags=tags)
    if partition := run.tags.get(_PARTITION):
        return dg.RunRequest(run_key=run.run_id, tags=tags, partition_key=partition)
    ranges = {tag: run.tags[tag] for tag in _RANGE if tag in run.tags}
    if ranges:
        return dg.RunRequest(run_key=run.run_id, tags={**tags, **ranges})
    return dg.SkipReason(
        f"Job '{job_name}' has partitions, and run {run.run_id} was of none: nobody can say which "
        "of them to run."
    )


def _is_partitioned(context: dg.RunStatusSensorContext, job_name: str) -> bool:
    repository = context.repository_def
    return repository is not None and repository.get_job(job_name).partitions_def is not None
