"""`jobs`, `schedules`, `executors` and `loggers`: what runs, when, and on what of Dagster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec

from kedro_manifest.orchestration.retrying import Retries
from kedro_manifest.selection import NodeFilter

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
Count = Annotated[int, msgspec.Meta(ge=0)]


class PipelineFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`jobs.<name>.pipeline:` the filters of `kedro run`. Each one that is given narrows."""

    pipeline_name: str | None = None
    pipeline_names: list[str] = []
    node_names: list[str] = []
    from_nodes: list[str] = []
    to_nodes: list[str] = []
    from_inputs: list[str] = []
    to_outputs: list[str] = []
    node_namespaces: list[str] = []
    node_namespace: str | None = None
    """Another spelling of `node_namespaces` with one entry."""
    tags: list[str] = []

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

    step: Retries | int | None = None
    run: Count | None = None
    """How often Dagster launches a failed run again; needs the daemon."""
    run_strategy: Literal["from_failure", "from_asset_failure", "all_steps"] = "from_failure"


class Schedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`schedules.<name>:` when the jobs that name it run."""

    cron_schedule: str | list[str]
    execution_timezone: str | None = None
    """Such as `Europe/Berlin`. Default: UTC."""
    description: str | None = None
    default_status: Literal["running", "stopped"] = "stopped"
    partition: Literal["latest", "all"] | dict[Literal["key"], str] = "latest"
    """Of a partitioned job: the last complete one, all, or a named one.

    The last one of partitions without a time is the last of the list."""
    tags: dict[str, str] = {}
    metadata: dict[str, Any] = {}


class Logger(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`loggers.<name>:` a Dagster logger, in the words of `logging.config`."""

    log_level: str = "INFO"
    handlers: list[dict[str, Any]] = []
    """Default: one that writes to standard output. A relative `filename` starts at the project."""
    formatters: dict[str, dict[str, Any]] = {}
    filters: dict[str, dict[str, Any]] = {}


class Job(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`jobs.<name>:` a selection of nodes that is launched together."""

    pipeline: str | PipelineFilter = PipelineFilter()
    """A registered pipeline, or the filters of `kedro run`."""
    description: str | None = None
    executor: str | Executor | None = None
    """A name under `executors`, a kind, or one written in place."""
    schedule: str | Schedule | None = None
    """A name under `schedules`, or one written in place."""
    loggers: list[str | Logger] = []
    """Names under `loggers`, `console` for Dagster's own, or written in place."""
    hooks: list[str] = []
    """Dagster hooks as `module:name`, called after each step."""
    retries: JobRetries | Count | None = None
    """A number is that of runs."""
    tags: dict[str, str] = {}
    metadata: dict[str, Any] = {}
    partitions: str | None = None
    """A name under `partitions`. Default: what its assets have."""
    env: str | None = None
    """Kedro environment."""
    parameters: dict[str, Any] = {}
    """Runtime parameters, nested."""
    load_versions: dict[str, str] = {}
    only_missing_outputs: bool = False
    max_concurrent: Count | None = None
    """Workers at a time; 0 for as many as there are processors."""
    client: str | None = None
    """Name of the client, of those under `clients`, that runs all its groups."""
    log_level: str | None = None
