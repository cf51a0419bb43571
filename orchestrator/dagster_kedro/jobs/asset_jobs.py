"""Jobs on the assets of one project, with their schedules and loggers. Definition time only."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import dagster as dg
import msgspec
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.findings import count, list_names
from kedro_manifest.orchestration.factories import NamedJob, filter_of
from kedro_manifest.orchestration.job_checks import (
    CONSOLE,
    SelectedJob,
    check_jobs,
    unused_entries,
)
from kedro_manifest.orchestration.jobs import Schedule
from kedro_manifest.orchestration.root import Orchestration

from dagster_kedro.assets.index import AssetIndex
from dagster_kedro.configuration.config_errors import ConfigCheck
from dagster_kedro.configuration.job_options import run_tags, settings_of, step_retries
from dagster_kedro.configuration.run_configuration import merged, resource_key, run_config
from dagster_kedro.jobs.executors import executor_of
from dagster_kedro.jobs.loggers import logger_definition, selecting
from dagster_kedro.jobs.schedules import schedule_of
from dagster_kedro.python_objects import load_instance

AssetJob = Any
"""What `define_asset_job` returns; Dagster does not export its type."""


class ProjectJobs(msgspec.Struct, frozen=True, kw_only=True):
    """What one project gives to be launched."""

    by_name: dict[str, AssetJob]
    """By the name in `dagster.yml`, or that of the pipeline."""
    schedules: list[dg.ScheduleDefinition]
    loggers: dict[str, dg.LoggerDefinition]
    """All that a job may choose from; empty where none does."""
    index: AssetIndex

    def find(self, name: str, place: str) -> AssetJob:
        """Return the job that an entry names.

        Args:
            name: Of a job in `dagster.yml`, factories expanded, or of a registered pipeline.
            place: Dotted keys of the entry, for errors.

        Raises:
            OrchestrationError: There is no such job here.
        """
        if name not in self.by_name:
            raise OrchestrationError.unknown(place, "job", name, self.by_name)
        return self.by_name[name]

    def config_with(self, name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration of one run of a job: its own, with more settings over it.

        Dagster itself takes a run's configuration of the resource instead of the job's.

        Args:
            name: Of the job.
            settings: Of the resource, as in the Launchpad.
        """
        return merged(self.by_name[name].config or {}, run_config(self.index, settings))


def project_jobs(
    index: AssetIndex,
    orchestration: Orchestration,
    resource: dg.ResourceDefinition,
    *,
    nodes: AbstractSet[str],
    pipelines: Collection[str] | None = None,
) -> ProjectJobs:
    """Return the jobs that `dagster.yml` describes, and one for each other registered pipeline.

    A pipeline with several partitions definitions becomes a job for each of them, named after
    it; each holds the unpartitioned rest as well.

    Args:
        index: Of the project's assets.
        orchestration: The project's `dagster.yml`.
        resource: The project's resource, which a job's settings have to fit.
        nodes: Nodes whose assets are defined here. A job that needs others is left out, with a
            warning.
        pipelines: Registered pipelines to take; None takes every one.

    Raises:
        OrchestrationError: An entry names what is not there, or has an illegal value.
    """
    checked = check_jobs(index.graph, orchestration)
    for problem in checked.problems:
        raise problem
    for place in unused_entries(orchestration, checked.selected):
        warnings.warn(f"dagster.yml: no job names `{place}`, so nothing comes of it.", stacklevel=2)
    factory = _JobFactory(index, orchestration, resource)
    by_name: dict[str, AssetJob] = {}
    schedules: list[dg.ScheduleDefinition] = []
    for job in checked.selected:
        named = job.named
        if outside := sorted(job.nodes - nodes):
            warnings.warn(
                f"dagster.yml: {named.place} is left out: it runs {list_names(outside)}, outside "
                "of the pipelines that these definitions are made of.",
                stacklevel=2,
            )
            continue
        partitions_def = partitions_def_of(index, job.nodes, named.place)
        by_name[named.name] = factory.job(job, partitions_def)
        schedules += factory.schedules(named, by_name[named.name], partitions_def)
    written = {job.named.name for job in checked.selected}
    if orchestration.pipeline_jobs:
        by_name |= {
            name: job
            for name, job in _pipeline_jobs(index, pipelines, nodes)
            if name not in written
        }
    return ProjectJobs(by_name=by_name, schedules=schedules, loggers=factory.loggers, index=index)


class _JobFactory:
    """Makes the jobs of one project."""

    def __init__(
        self, index: AssetIndex, orchestration: Orchestration, resource: dg.ResourceDefinition
    ) -> None:
        self._index = index
        self._orchestration = orchestration
        self._check = ConfigCheck(resources={resource_key(index): resource})
        self.loggers: dict[str, dg.LoggerDefinition] = {}
        for name, logger in orchestration.loggers.items():
            self._add_logger(index.name_for(name), name, logger, f"loggers.{name}")

    def job(
        self, selected: SelectedJob, partitions_def: dg.PartitionsDefinition[Any] | None
    ) -> AssetJob:
        """Return one job. Its settings are configuration, so that the Launchpad shows them."""
        named, job = selected.named, selected.named.job
        nodes = [self._index.graph.nodes[name] for name in sorted(selected.nodes)]
        keys = [key for node in nodes for key in self._index.keys_of(node)]
        config = self._settings(named) | self._logging(named)
        executor = job.executor and executor_of(
            self._orchestration, job.executor, f"{named.place}.executor"
        )
        with warnings.catch_warnings():
            # Said to be needless, but a job of assets without partitions gets its own only so.
            warnings.filterwarnings("ignore", "Parameter `partitions_def`")
            try:
                return dg.define_asset_job(
                    self._index.name_for(named.name),
                    selection=dg.AssetSelection.assets(*keys),
                    description=job.description or _describe(selected),
                    config=config or None,
                    tags=run_tags(job),
                    metadata=job.metadata,
                    executor_def=executor or None,
                    hooks=self._hooks(named),
                    op_retry_policy=step_retries(job, f"{named.place}.retries"),
                    partitions_def=partitions_def,
                )
            except dg.DagsterError as error:
                raise OrchestrationError.at(named.place, str(error).rstrip(".")) from error

    def schedules(
        self,
        named: NamedJob,
        job: AssetJob,
        partitions_def: dg.PartitionsDefinition[Any] | None,
    ) -> Iterator[dg.ScheduleDefinition]:
        """Yield the schedule of a job, if it has one."""
        wanted = named.job.schedule
        if wanted is None:
            return
        place = f"{named.place}.schedule"
        if not isinstance(wanted, Schedule):
            place, wanted = f"schedules.{wanted}", self._orchestration.schedules[wanted]
        # The job's name, so that what a person has turned on stays so when others share it.
        name = self._index.name_for(named.name, "schedule")
        yield schedule_of(name, job, wanted, place, partitions_def)

    def _settings(self, named: NamedJob) -> dict[str, Any]:
        settings = settings_of(named.job)
        config = run_config(self._index, settings)
        for problem in self._check.problems(config) if settings else ():
            inner = ".".join(problem.path[3:])
            raise OrchestrationError.at(f"{named.place}.{inner}", problem.message, problem.hint)
        return config

    def _logging(self, named: NamedJob) -> dict[str, Any]:
        keys = []
        for number, logger in enumerate(named.job.loggers):
            if logger == CONSOLE and CONSOLE not in self._orchestration.loggers:
                keys.append(CONSOLE)
            elif isinstance(logger, str):
                keys.append(self._index.name_for(logger))
            else:
                name = f"{named.name}_logger_{number}"
                keys.append(self._index.name_for(name))
                self._add_logger(keys[-1], name, logger, f"{named.place}.loggers.{number}")
        return selecting(keys, with_console=CONSOLE not in self._orchestration.loggers)

    def _add_logger(self, key: str, name: str, logger: Any, place: str) -> None:
        project_dir = self._index.project.project_dir
        self.loggers[key] = logger_definition(name, logger, project_dir, place)
        # Jobs that choose none, other people's too, can still configure the one of Dagster's.
        self.loggers.setdefault(CONSOLE, dg.colored_console_logger)

    def _hooks(self, named: NamedJob) -> set[dg.HookDefinition] | None:
        return {
            load_instance(reference, dg.HookDefinition, f"{named.place}.hooks.{number}")
            for number, reference in enumerate(named.job.hooks)
        } or None


def _pipeline_jobs(
    index: AssetIndex, pipelines: Collection[str] | None, nodes: AbstractSet[str]
) -> Iterator[tuple[str, AssetJob]]:
    """Yield a job for each registered pipeline that makes any asset of some nodes."""
    for pipeline in index.manifest.pipelines:
        chosen = pipelines is None or pipeline.name in pipelines
        taken = nodes & set(pipeline.nodes)
        keys = [spec.key for spec in index.produced_specs(taken)]
        for suffix, part in _jobs_of(index, keys if chosen else []):
            yield (
                "_".join([pipeline.name, *suffix]),
                dg.define_asset_job(
                    index.name_for(pipeline.name, *suffix),
                    selection=dg.AssetSelection.assets(*part),
                    description=f"Kedro pipeline `{pipeline.name}`, {count(len(taken), 'node')}.",
                ),
            )


def _describe(selected: SelectedJob) -> str:
    names = ", ".join(f"`{name}`" for name in filter_of(selected.named.job).pipelines)
    return f"Of Kedro pipeline {names}, {count(len(selected.nodes), 'node')}."


def partitions_def_of(
    index: AssetIndex, nodes: Iterable[str], place: str
) -> dg.PartitionsDefinition[Any] | None:
    """Return what the nodes of one job are partitioned by; None if by nothing.

    Args:
        index: Of the project's assets.
        nodes: The job's nodes.
        place: Where `dagster.yml` says so, such as `jobs.nightly`.

    Raises:
        OrchestrationError: They are partitioned by several things, which no job can be.
    """
    keys = [spec.key for spec in index.produced_specs(set(nodes))]
    entries = [entry for entry, _ in index.by_partitions(keys) if entry is not None]
    if len(entries) > 1:
        named = ", ".join(repr(entry.name) for entry in entries)
        raise OrchestrationError.at(
            place,
            f"its assets are partitioned by {named}, and a job has one partitions definition",
            "Let its filters select those of one of them.",
        )
    return entries[0].definition if entries else None


def _jobs_of(
    index: AssetIndex, keys: list[dg.AssetKey]
) -> Iterator[tuple[list[str], list[dg.AssetKey]]]:
    """Yield what is to be added to a job's name, and the job's assets."""
    parts = index.by_partitions(keys)
    rest = [key for entry, part in parts if entry is None for key in part]
    partitioned = [(entry, part) for entry, part in parts if entry is not None]
    if len(partitioned) > 1:
        yield from (([entry.name], [*rest, *part]) for entry, part in partitioned)
    elif keys:
        yield [], keys
