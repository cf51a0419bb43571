"""The file `dagster.yml` as a whole, and how it is read."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from kedro_manifest.errors import OrchestrationError
from kedro_manifest.model import Manifest
from kedro_manifest.orchestration.automation import (
    AnySensor,
    AssetSettings,
    CodeReferences,
    Observation,
    Status,
)
from kedro_manifest.orchestration.checks import CheckSettings
from kedro_manifest.orchestration.clients import AnyClient, Concurrency
from kedro_manifest.orchestration.diagnosis import diagnose
from kedro_manifest.orchestration.empty_entries import without_empty_entries
from kedro_manifest.orchestration.hooks import RunHooks
from kedro_manifest.orchestration.jobs import (
    AUTO_EXECUTOR,
    Executor,
    Job,
    Logger,
    Schedule,
)
from kedro_manifest.orchestration.logs import Logs
from kedro_manifest.orchestration.partitions import AnyPartitions
from kedro_manifest.orchestration.placement import Grouping, GroupSettings, OnDrift, Store, Timeout
from kedro_manifest.orchestration.reporting import Reporting
from kedro_manifest.orchestration.retrying import Retries, Times
from kedro_manifest.orchestration.spelling import respell
from kedro_manifest.planning.grouping import GroupPolicy, MemoryPolicy

StepPer = Literal["auto", "selection", "pipeline", "group"]
LARGE_PROJECT_NODES = 500
"""With more nodes, `step_per: auto` makes a step of each pipeline, not of the whole selection."""


class Orchestration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`dagster.yml`: what Dagster is to do with a Kedro project."""

    jobs: dict[str, Job] = {}
    pipeline_jobs: bool = True
    """Whether each registered pipeline gets a job of its own besides those under `jobs`."""
    schedules: dict[str, Schedule] = {}
    executors: dict[str, Executor] = {}
    """Dagster's executors by a name of one's own, each of one kind with Dagster's own options:
    `{local: {multiprocess: {max_concurrent: 2}}}`. The names that end with `_executor`, and
    `celery_k8s`, are other spellings."""
    executor: str | Executor = AUTO_EXECUTOR
    """What runs the steps of jobs that name no executor, and of what is materialized by hand: a name
    under `executors`, a kind, or one written in place. `auto` is Dagster's own default, but that a
    step that is alone in its run and starts workers takes no process of its own. `merged` leaves it
    to other definitions in the code location, which may name only one executor in all."""
    loggers: dict[str, Logger] = {}
    """What a job's runs log, written by handlers of `logging`, by a name of one's own."""
    logs: Logs = Logs()
    clients: dict[str, AnyClient] = {}
    """Where workers run, by a name of one's own; the one named `default` runs what no other does."""
    concurrency: Concurrency = Concurrency()
    step_per: StepPer = "auto"
    """Whether all selected nodes are one step of Dagster (`selection`), or those of each registered
    pipeline (of several, the smallest), or each group. `auto` is `selection`, and with more than 500
    nodes `pipeline`, which makes a large code location load several times as fast."""
    retries: Retries | Times | None = None
    """How often a group that fails is run again within its step, unless the group says otherwise.
    A number alone is `max_retries`. Default: never."""
    timeout_s: Timeout | None = None
    """Seconds after which the worker of any group is stopped and the group fails, unless the group
    or its client says otherwise. Default: never."""
    partitions: dict[str, AnyPartitions] = {}
    """Slices of data, of which a run makes one or a range, by a name of one's own."""
    sensors: dict[str, AnySensor] = {}
    """What launches jobs besides the clock: files that appear or change, and runs of other jobs."""
    assets: dict[str, AssetSettings] = {}
    automation_sensor: Status = "stopped"
    """Whether the sensor that acts on `assets.*.automation` runs from the start."""
    checks: dict[str, CheckSettings] = {}
    freshness_sensor: Status = "stopped"
    """Whether the sensor that runs the checks of `checks.*.fresh` when one may have failed is on from
    the start."""
    code_references: CodeReferences | None = None
    observation: Observation = Observation()
    reporting: Reporting = Reporting()
    grouping: Grouping = Grouping()
    groups: dict[str, GroupSettings] = {}
    memory_datasets: MemoryPolicy | dict[str, MemoryPolicy] = "group"
    """Whether in-memory data keeps its nodes in one process (`group`), or is pickled to cross from
    one to another (`stage`). For all, or by dataset name; `*` stands for anything, the most
    specific name counts."""
    store: Store = Store()
    run_hooks: RunHooks | dict[str, RunHooks] = "once"
    """Whether `before_pipeline_run`, `after_pipeline_run` and `on_pipeline_error` fire once in a run
    of Dagster, in a process of their own, or in every worker for what it runs. For all, or by plugin
    (`kedro-mlflow`) or hook class (`my_project.hooks.TimerHooks`); `*` stands for all others. Those
    of kedro-mlflow and kedro-viz fire in every worker, unless they are named here."""
    blocked_plugins: list[str] = []
    """Plugins whose hooks are not registered, by distribution (`kedro-pandera`), or hook classes of
    the project (`my_project.hooks.TimerHooks`). Unlike those in `DISABLE_HOOKS_FOR_PLUGINS` they are
    not imported either, so that one that breaks can be blocked."""
    on_drift: OnDrift = "refuse"
    """What a worker does whose project no longer matches the manifest: fail before any node runs,
    or warn in the log and run."""
    dev: dict[str, Any] = {}
    """Of old files of kedro-dagster. `dagster dev` takes these as options, and `kedro pipes check`
    says so; nothing else reads them."""

    def group_policy(self) -> GroupPolicy:
        """Return how nodes are to be grouped."""
        by_dataset = self.memory_datasets if isinstance(self.memory_datasets, dict) else {}
        everywhere = "group" if isinstance(self.memory_datasets, dict) else self.memory_datasets
        return GroupPolicy(
            strategy=self.grouping.strategy,
            tag_prefix=self.grouping.tag_prefix,
            on_cycle=self.grouping.on_cycle,
            groups=dict(self.groups),
            memory_datasets=everywhere,
            memory_by_dataset=by_dataset,
        )

    def settings_of_group(self, explicit: list[str]) -> GroupSettings:
        """Return the settings of a planned group, by the explicit groups that it holds.

        Raises:
            OrchestrationError: It holds several that contradict each other.
        """
        if not explicit:
            return GroupSettings()
        first, *others = (self.groups[name] for name in explicit)
        for name, other in zip(explicit[1:], others, strict=True):
            for field in _WORKER_FIELDS:
                if getattr(first, field) != getattr(other, field):
                    raise OrchestrationError.at(
                        f"groups.{name}.{field}",
                        f"groups '{explicit[0]}' and '{name}' have to share a process, and say "
                        "different things of it",
                        "Let both say the same, or make one group of them.",
                    )
        return first


_WORKER_FIELDS = (
    "client",
    "env",
    "image",
    "resources",
    "timeout_s",
    "retries",
    "runner",
    "is_async",
)
"""What a group says of its worker, and not of its nodes."""


def orchestration_of(manifest: Manifest) -> Orchestration:
    """Read the `dagster.yml` that a manifest carries.

    Raises:
        OrchestrationError: A wrong type or an unknown key; the message names its path.
    """
    return read_orchestration(manifest.orchestration)


def read_orchestration(raw: dict[str, Any]) -> Orchestration:
    """Read the content of a `dagster.yml`.

    Raises:
        OrchestrationError: A wrong type or an unknown key; the message names its path and, of a
            key, the nearest that there is.
    """
    words = without_empty_entries(raw, Orchestration)
    if isinstance(words, dict):
        words = respell(words)
    try:
        return msgspec.convert(words, Orchestration)
    except msgspec.ValidationError as error:
        found = diagnose(error, words, Orchestration)
        raise OrchestrationError.at(found.place, found.message, found.hint) from error
