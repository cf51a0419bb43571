"""`jobs`, `schedules`, `executors` and `loggers`: what runs, when, and on what of Dagster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec

from kedro_manifest.orchestration.retrying import Retries, Times
from kedro_manifest.planning.selection import NodeFilter

ExecutorKind = Literal[
    "in_process",
    "multiprocess",
    "docker",
    "k8s_job",
    "celery",
    "celery_docker",
    "celery_k8s_job",
    "dask",
    # As kedro-dagster spells them; `spelling` turns them into those above.
    "docker_executor",
    "k8s_job_executor",
    "celery_executor",
    "celery_docker_executor",
    "celery_k8s_job_executor",
    "celery_k8s",
    "dask_executor",
]
Executor = dict[ExecutorKind, dict[str, Any] | None]
AUTO_EXECUTOR = "auto"
MERGED_EXECUTOR = "merged"
Count = Annotated[int, msgspec.Meta(ge=0)]


class PipelineFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`jobs.<name>.pipeline:` the filters of `kedro run`. Each one that is given narrows."""

    pipeline_name: str | None = None
    """A registered pipeline. Default: `__default__`."""
    pipeline_names: list[str] = []
    """Several registered pipelines, besides `pipeline_name`: nodes of any of them."""
    node_names: list[str] = []
    """These nodes."""
    from_nodes: list[str] = []
    """These nodes, and all that come after them."""
    to_nodes: list[str] = []
    """These nodes, and all that come before them."""
    from_inputs: list[str] = []
    """Nodes that load these datasets, and all that come after them."""
    to_outputs: list[str] = []
    """Nodes that save these datasets, and all that come before them."""
    node_namespaces: list[str] = []
    """Nodes in any of these namespaces, or in one inside of them."""
    node_namespace: str | None = None
    """Another spelling of `node_namespaces` with one entry."""
    tags: list[str] = []
    """Nodes with any of these tags."""

    @property
    def pipelines(self) -> list[str]:
        """The registered pipelines that are named."""
        named = [self.pipeline_name] if self.pipeline_name is not None else []
        return [*named, *self.pipeline_names]

    def node_filter(self, otherwise: Iterable[str]) -> NodeFilter:
        """Return the filter as one over nodes.

        Args:
            otherwise: Registered pipelines to take where none is named.
        """
        return NodeFilter(
            pipelines=self.pipelines or list(otherwise),
            tags=self.tags,
            node_names=self.node_names,
            from_nodes=self.from_nodes,
            to_nodes=self.to_nodes,
            from_inputs=self.from_inputs,
            to_outputs=self.to_outputs,
            namespaces=self.node_namespaces,
        )


class JobRetries(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`jobs.<name>.retries:` of the job's steps, and of the run as a whole."""

    step: Retries | Times | None = None
    """How often Dagster runs a failed step again; a number alone is `max_retries`."""
    run: Count | None = None
    """How often Dagster launches a failed run again; needs the daemon. Default: what Dagster's
    instance says."""
    run_strategy: Literal["from_failure", "from_asset_failure", "all_steps"] = "from_failure"
    """What such a run does: what had failed and what comes after it, by step or by asset, or
    everything."""


class Schedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`schedules.<name>:` when the jobs that name it run."""

    cron_schedule: str | list[str]
    """One cron expression or several: `0 3 * * *`, `@daily`."""
    execution_timezone: str | None = None
    """Such as `Europe/Berlin`. Default: UTC."""
    description: str | None = None
    """Shown with the schedule in Dagster."""
    default_status: Literal["running", "stopped"] = "stopped"
    """Whether it is on from the start; a person may change that in the web interface."""
    partition: Literal["latest", "all"] | dict[Literal["key"], str] = "latest"
    """Of a partitioned job: the last complete one, a run for each of `all`, or the one with a
    `key`. The last one of partitions without a time is the last of the list."""
    tags: dict[str, str] = {}
    """Of the runs that it launches."""
    metadata: dict[str, Any] = {}
    """Shown with the schedule in Dagster."""


class Logger(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`loggers.<name>:` a Dagster logger, in the words of `logging.config`."""

    log_level: str = "INFO"
    """Lowest level that it writes. The Launchpad may change it for a run."""
    handlers: list[dict[str, Any]] = []
    """As `logging.config` has them, in a list. Default: one that writes to standard output. A
    relative `filename` starts at the project."""
    formatters: dict[str, dict[str, Any]] = {}
    """That handlers name; a class with arguments of its own is called with them."""
    filters: dict[str, dict[str, Any]] = {}
    """That handlers name; a class is called with the other keys."""


class Job(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`jobs.<name>:` a selection of nodes that is launched together."""

    pipeline: str | PipelineFilter = PipelineFilter()
    """A registered pipeline, or the filters of `kedro run`. Default: all of `__default__`."""
    description: str | None = None
    """Shown with the job in Dagster. Default: its pipeline and the number of its nodes."""
    executor: str | Executor | None = None
    """A name under `executors`, a kind, or one written in place. Default: `executor` beside `jobs`."""
    schedule: str | Schedule | None = None
    """A name under `schedules`, or one written in place. Default: by hand only."""
    loggers: list[str | Logger] = []
    """Names under `loggers`, `console` for Dagster's own, or written in place. Default: Dagster's
    own."""
    hooks: list[str] = []
    """Dagster hooks as `module:name`, called after each step."""
    retries: JobRetries | Count | None = None
    """A number alone is `run`."""
    tags: dict[str, str] = {}
    """Of the job and its runs."""
    metadata: dict[str, Any] = {}
    """Shown with the job in Dagster."""
    partitions: str | None = None
    """A name under `partitions`, by which all that its nodes save is partitioned. Default: what
    its assets have."""
    env: str | None = None
    """Kedro environment. Default: that of the manifest."""
    parameters: dict[str, Any] = {}
    """Runtime parameters, nested, as of `kedro run --params`."""
    load_versions: dict[str, str] = {}
    """Version to load, by the name of a versioned dataset."""
    only_missing_outputs: bool = False
    """Whether only nodes run that have an output which is not there yet."""
    max_concurrent: Count | None = None
    """Workers at a time in one step; 0 for as many as there are processors. Default: what
    `concurrency` says."""
    client: str | None = None
    """Name of the client, of those under `clients`, that runs all its groups."""
    log_level: str | None = None
    """Lowest level of the nodes' log records that reach Dagster. Default: what `logs` says."""
