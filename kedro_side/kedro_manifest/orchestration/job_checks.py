"""Whether what jobs name is there: nodes, pipelines, executors, schedules, loggers, clients. Pure.

Both sides ask: the preflight lists every problem, the Dagster side stops at the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import msgspec

from kedro_manifest.errors import OrchestrationError, UnknownNameError
from kedro_manifest.orchestration.factories import NamedJob, expand_jobs, filter_of
from kedro_manifest.orchestration.jobs import (
    AUTO_EXECUTOR,
    MERGED_EXECUTOR,
    Executor,
    ExecutorKind,
    Logger,
    Schedule,
)
from kedro_manifest.orchestration.root import Orchestration
from kedro_manifest.orchestration.times import time_problems
from kedro_manifest.planning.graph import PipelineGraph
from kedro_manifest.planning.selection import filter_nodes

CONSOLE = "console"
"""The logger that Dagster has itself."""
LOG_LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG", "NOTSET")


class SelectedJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job to be made, with its nodes."""

    named: NamedJob
    nodes: set[str]


class CheckedJobs(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs of a file, factories expanded, and what is wrong with them."""

    selected: list[SelectedJob]
    """Those whose filters stand for any node."""
    problems: list[OrchestrationError]


def check_jobs(graph: PipelineGraph, orchestration: Orchestration) -> CheckedJobs:
    """Select the nodes of every job, and look up whatever else it names."""
    selected: list[SelectedJob] = []
    problems = list(_entry_problems(orchestration))
    try:
        jobs = expand_jobs(graph, orchestration.jobs)
    except OrchestrationError as error:
        return CheckedJobs(selected=[], problems=[*problems, error])
    for named in jobs:
        problems += _names_problems(orchestration, named)
        try:
            selected.append(SelectedJob(named=named, nodes=nodes_of_job(graph, named)))
        except OrchestrationError as error:
            problems.append(error)
    return CheckedJobs(selected=selected, problems=problems)


def nodes_of_job(graph: PipelineGraph, named: NamedJob) -> set[str]:
    """Return the nodes that a job's filters stand for.

    Raises:
        OrchestrationError: A filter names what is not there, or no node is left.
    """
    try:
        nodes = filter_nodes(graph, filter_of(named.job))
    except UnknownNameError as error:
        place = f"{named.place}.pipeline{_filter_with(named, error.name)}"
        raise OrchestrationError.at(
            place, f"there is no {error.kind} '{error.name}'", error.hint
        ) from error
    if not nodes:
        raise OrchestrationError.at(
            f"{named.place}.pipeline",
            "no node is left",
            "Each filter narrows what the others leave; `kedro pipes plan` takes the same ones.",
        )
    return nodes


def unused_entries(orchestration: Orchestration, selected: list[SelectedJob]) -> list[str]:
    """Return the places of schedules, executors and loggers that no job names, sorted."""
    jobs = [each.named.job for each in selected]
    used = {f"schedules.{job.schedule}" for job in jobs}
    executors = [orchestration.executor, *(job.executor for job in jobs)]
    used |= {f"executors.{name}" for name in executors if isinstance(name, str)}
    used |= {f"loggers.{logger}" for job in jobs for logger in job.loggers}
    there = [f"schedules.{name}" for name in orchestration.schedules]
    there += [f"executors.{name}" for name in orchestration.executors]
    there += [f"loggers.{name}" for name in orchestration.loggers]
    return sorted(set(there) - used)


def _entry_problems(orchestration: Orchestration) -> Iterator[OrchestrationError]:
    for name, executor in orchestration.executors.items():
        yield from _executor_problems(executor, f"executors.{name}")
    own = orchestration.executor
    if isinstance(own, dict):
        yield from _executor_problems(own, "executor")
    elif own not in (known := [AUTO_EXECUTOR, MERGED_EXECUTOR, *_executors(orchestration)]):
        yield OrchestrationError.unknown("executor", "executor", own, known)
    for name, logger in orchestration.loggers.items():
        yield from _logger_problems(logger, f"loggers.{name}")
    for name, schedule in orchestration.schedules.items():
        yield from time_problems(schedule, f"schedules.{name}")


def _executors(orchestration: Orchestration) -> list[str]:
    return [*orchestration.executors, *get_args(ExecutorKind)]


def _filter_with(named: NamedJob, value: str) -> str:
    """Return the key of the filter that holds a value; empty where the pipeline stands alone."""
    if isinstance(named.job.pipeline, str):
        return ""
    filters = msgspec.structs.asdict(named.job.pipeline)
    return next(
        (
            f".{key}"
            for key, values in filters.items()
            if value == values or (isinstance(values, list) and value in values)
        ),
        "",
    )


def _names_problems(orchestration: Orchestration, named: NamedJob) -> Iterator[OrchestrationError]:
    job, place = named.job, named.place
    names = [
        ("executor", job.executor, _executors(orchestration)),
        ("schedule", job.schedule, orchestration.schedules),
        ("client", job.client, orchestration.clients),
        ("partitions", job.partitions, orchestration.partitions),
        *(("loggers", logger, [*orchestration.loggers, CONSOLE]) for logger in job.loggers),
    ]
    for key, name, known in names:
        if isinstance(name, str) and name not in known:
            yield OrchestrationError.unknown(f"{place}.{key}", key.rstrip("s"), name, known)
    if isinstance(job.executor, dict):
        yield from _executor_problems(job.executor, f"{place}.executor")
    if isinstance(job.schedule, Schedule):
        yield from time_problems(job.schedule, f"{place}.schedule")
    for number, logger in enumerate(job.loggers):
        if isinstance(logger, Logger):
            yield from _logger_problems(logger, f"{place}.loggers.{number}")
    if job.log_level is not None:
        yield from _level_problems(job.log_level, f"{place}.log_level")


def _executor_problems(executor: Executor, place: str) -> Iterator[OrchestrationError]:
    if len(executor) != 1:
        kinds = " and ".join(map(repr, executor)) or "none"
        yield OrchestrationError.at(
            place,
            f"expected one kind of executor, got {kinds}",
            "Write one, such as `in_process:`.",
        )


def _logger_problems(logger: Logger, place: str) -> Iterator[OrchestrationError]:
    yield from _level_problems(logger.log_level, f"{place}.log_level")
    for number, handler in enumerate(logger.handlers):
        here = f"{place}.handlers.{number}"
        if not any(isinstance(handler.get(key), str) for key in ("class", "()")):
            yield OrchestrationError.at(
                here, "the handler has no class", "Add one, such as `class: logging.StreamHandler`."
            )
        formatter = handler.get("formatter")
        if formatter is not None and formatter not in logger.formatters:
            yield OrchestrationError.unknown(
                f"{here}.formatter", "formatter", str(formatter), logger.formatters
            )
        for name in handler.get("filters") or ():
            if name not in logger.filters:
                yield OrchestrationError.unknown(
                    f"{here}.filters", "filter", str(name), logger.filters
                )


def _level_problems(level: str, place: str) -> Iterator[OrchestrationError]:
    if level.upper() not in LOG_LEVELS:
        yield OrchestrationError.unknown(place, "level", level, LOG_LEVELS)
