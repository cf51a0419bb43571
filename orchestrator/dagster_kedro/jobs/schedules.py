"""Schedules of `dagster.yml`: when a job runs, and for which partition. Definition time and ticks.

Knows neither nodes nor pipelines: a job comes ready-made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dagster as dg
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration.jobs import Schedule
from kedro_manifest.orchestration.times import no_cron_schedule, time_problems

_STATUS = {
    "running": dg.DefaultScheduleStatus.RUNNING,
    "stopped": dg.DefaultScheduleStatus.STOPPED,
}


def schedule_of(
    name: str,
    job: Any,
    schedule: Schedule,
    place: str,
    partitions_def: dg.PartitionsDefinition[Any] | None = None,
) -> dg.ScheduleDefinition:
    """Return the schedule of one job.

    Args:
        name: Dagster's name of the schedule.
        job: What it launches.
        schedule: The entry.
        place: Dotted keys of the entry, for errors.
        partitions_def: Partitions of the job; None where it has none.

    Raises:
        OrchestrationError: No cron expression, no time zone, or no such partition.
    """
    for problem in time_problems(schedule, place):
        raise problem
    if partitions_def is None and schedule.partition != "latest":
        raise OrchestrationError.at(
            f"{place}.partition", f"job '{job.name}' has no partitions", "Take the key out."
        )
    requests = None
    if partitions_def is not None:
        _check_key(schedule.partition, partitions_def, f"{place}.partition")
        requests = _requests(schedule, partitions_def)
    try:
        return dg.ScheduleDefinition(
            name=name,
            job=job,
            cron_schedule=schedule.cron_schedule,
            execution_timezone=schedule.execution_timezone,
            execution_fn=requests,
            description=schedule.description,
            default_status=_STATUS[schedule.default_status],
            tags=schedule.tags,
            metadata=schedule.metadata,
        )
    except dg.DagsterInvalidDefinitionError as error:
        if "cron" not in str(error):
            raise OrchestrationError.at(place, str(error).rstrip(".")) from error
        raise no_cron_schedule(schedule, place) from error


def keys_due(
    wanted: str | dict[Any, str], partitions_def: dg.PartitionsDefinition[Any]
) -> Sequence[str]:
    """Return the partitions that a tick is for, at the time of the partition loading context.

    Args:
        wanted: `latest`, `all`, or the key of one.
        partitions_def: Partitions of the job. Where one of two dimensions is time, the latest are
            those of the last complete window, one for each key of the other dimension.
    """
    if isinstance(wanted, dict):
        return [wanted["key"]] if partitions_def.has_partition_key(wanted["key"]) else []
    if wanted == "all":
        return partitions_def.get_partition_keys()
    if isinstance(partitions_def, dg.MultiPartitionsDefinition):
        times = [
            dimension
            for dimension in partitions_def.partitions_defs
            if isinstance(dimension.partitions_def, dg.TimeWindowPartitionsDefinition)
        ]
        if len(times) == 1:
            last = times[0].partitions_def.get_last_partition_key()
            name = times[0].name
            return [
                key
                for key in partitions_def.get_partition_keys()
                if key.keys_by_dimension[name] == last
            ]
    last = partitions_def.get_last_partition_key()
    return [] if last is None else [last]


def _requests(
    schedule: Schedule, partitions_def: dg.PartitionsDefinition[Any]
) -> Callable[[dg.ScheduleEvaluationContext], Iterator[dg.RunRequest | dg.SkipReason]]:
    def requests(
        context: dg.ScheduleEvaluationContext,
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        # Whatever is asked of partitions in here, is asked for the time of the tick.
        store = context.instance if context.instance_ref is not None else None
        with dg.partition_loading_context(context.scheduled_execution_time, store):
            keys = keys_due(schedule.partition, partitions_def)
        if not keys:
            yield dg.SkipReason(f"There is no partition yet for `partition: {schedule.partition}`.")
        for key in keys:
            yield dg.RunRequest(run_key=str(key), partition_key=str(key), tags=schedule.tags)

    return requests


def _check_key(
    wanted: str | dict[Any, str], partitions_def: dg.PartitionsDefinition[Any], place: str
) -> None:
    """A key of a fixed list is known from the start; others may still come."""
    if not isinstance(wanted, dict):
        return
    if "key" not in wanted:
        raise OrchestrationError.at(place, "the mapping is empty", "Write `key: NAME`.")
    if isinstance(partitions_def, dg.StaticPartitionsDefinition):
        known = partitions_def.get_partition_keys()
        if wanted["key"] not in known:
            raise OrchestrationError.unknown(f"{place}.key", "partition", wanted["key"], known)
