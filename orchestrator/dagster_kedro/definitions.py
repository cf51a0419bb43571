"""Everything that projects give, as one `Definitions`: assets, jobs, what launches them.

Puts together what the other modules make of a manifest and its `dagster.yml`. Definition time
only. Annotations are not postponed here, since Dagster reads those of the function that it runs.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import dagster as dg
import msgspec
from kedro_manifest.errors import DuplicateNameError, OrchestrationError
from kedro_manifest.names import dagster_name
from kedro_manifest.orchestration.root import (
    LARGE_PROJECT_NODES,
    Orchestration,
    StepPer,
    orchestration_of,
)
from kedro_manifest.planning.grouping import GroupPolicy
from kedro_manifest.planning.plan import plan_groups

from dagster_kedro.assets.index import AssetIndex
from dagster_kedro.assets.multi_assets import (
    default_op_name,
    kedro_input_checks,
    kedro_multi_asset,
)
from dagster_kedro.assets.node_selection import NodeSelection, Selected
from dagster_kedro.assets.op_settings import KedroOpSpec
from dagster_kedro.assets.translator import DagsterKedroTranslator
from dagster_kedro.automation.freshness import FreshnessChecks
from dagster_kedro.automation.observation import InputObservation
from dagster_kedro.automation.sensors import automation_sensors, build_sensors
from dagster_kedro.clients.base import KedroClient
from dagster_kedro.clients.subprocess import KedroSubprocessClient
from dagster_kedro.configuration.run_configuration import resource_key
from dagster_kedro.jobs.asset_jobs import project_jobs
from dagster_kedro.jobs.executors import check_one_executor, default_executor
from dagster_kedro.launchpad import launchpad_resource
from dagster_kedro.project import KedroProject
from dagster_kedro.resource import KedroPipesResource
from dagster_kedro.running.telling import OnEvent
from dagster_kedro.running.workers import check_workers

Execute = Callable[[dg.AssetExecutionContext, KedroPipesResource], Iterator[Any]]


def build_definitions(
    *projects: KedroProject,
    pipelines: Sequence[str] | None = None,
    select: Selected | None = None,
    exclude: Selected | None = None,
    translator: DagsterKedroTranslator | None = None,
    client: KedroClient | None = None,
    resource: KedroPipesResource | None = None,
    step_per: StepPer | None = None,
    external_assets: bool = True,
    op: KedroOpSpec | None = None,
    execute: Execute | None = None,
    on_event: OnEvent | None = None,
) -> dg.Definitions:
    """Return everything that projects and their `dagster.yml` give.

    A free input of one project that another one writes, by its URI, depends on that asset.

    Args:
        projects: The project, or several with a `key_prefix` each.
        pipelines: Registered pipelines to take; None takes every one. Jobs of `dagster.yml` that
            need other nodes are left out, with a warning.
        select: A registered pipeline or filters as those of `kedro run`: only these nodes.
        exclude: The same, of nodes to leave out.
        translator: How datasets look as assets.
        client: Where workers run. Default: a process each, on this machine.
        resource: The whole resource, where more than the client is to be set.
        step_per: Whether the nodes of a run are one step of Dagster, or those of each pipeline, or
            each group is a step of its own. Default: what `dagster.yml` says.
        external_assets: Whether free inputs get assets; False where other definitions, which
            these are merged with, make them.
        op: Name, pool, tags and policies of the op; what it says wins over `dagster.yml`.
        execute: What a step does. Default: `kedro.run(context, on_event=on_event).stream()`.
        on_event: Is called with the step's context and each event of its workers: nodes that
            start, finish or fail, datasets that are loaded and saved. Not beside `execute`, which passes its own.

    Returns:
        Definitions that can be merged with others (`Definitions.merge`), also of the same
        project, if their resources are equal. The resource is named `kedro`, for a project with
        a key prefix `<prefix>_kedro`.

    Raises:
        UnknownNameError: A name that is not there, or filters that leave no node.
        OrchestrationError: An entry of `dagster.yml` cannot be used, or two name different
            executors for one code location.
        DuplicateNameError: Two assets have one key, or ops of several projects one name.
        TypeError: Both `execute` and `on_event` are given.
    """
    if op is not None and op.name is not None and len(projects) > 1:
        raise DuplicateNameError(
            f"Cannot name ops of {len(projects)} projects '{op.name}': each needs a name of its "
            "own. Leave `name` out, or define each project by itself and merge the definitions."
        )
    ready = resource or KedroPipesResource(client=client or KedroSubprocessClient())
    selection = NodeSelection(pipelines=pipelines, select=select, exclude=exclude)
    if execute is not None and on_event is not None:
        raise TypeError(
            "Cannot use `on_event` beside `execute`: it would never be called. "
            "Let `execute` call `kedro.run(context, on_event=…)`."
        )
    step = _Step(
        per=step_per, op=op or KedroOpSpec(), execute=execute or partial(_run_selected, on_event)
    )
    parts = [
        _ProjectDefinitions(index, selection, ready, step).build(external=external_assets)
        for index in _linked_indexes(projects, translator or DagsterKedroTranslator())
    ]
    check_one_executor(part.executor for part in parts)
    return parts[0] if len(parts) == 1 else dg.Definitions.merge(*parts)


class _Step(msgspec.Struct, frozen=True, kw_only=True):
    """How nodes become steps of Dagster."""

    per: StepPer | None
    op: KedroOpSpec
    execute: Execute


class _ProjectDefinitions:
    """What one project gives."""

    def __init__(
        self,
        index: AssetIndex,
        selection: NodeSelection,
        resource: KedroPipesResource,
        step: _Step,
    ) -> None:
        self._index = index
        self._selection = selection
        self._resource = resource
        self._step = step
        self._orchestration: Orchestration = orchestration_of(index.manifest)
        self._nodes = selection.nodes_in(index)
        self._resource_key = resource_key(index)

    def build(self, *, external: bool) -> dg.Definitions:
        orchestration, graph = self._orchestration, self._index.graph
        check_workers(orchestration, graph, self._nodes, orchestration.group_policy())
        resource = launchpad_resource(
            self._index.manifest, self._resource, self._orchestration.clients
        )
        jobs = project_jobs(
            self._index,
            self._orchestration,
            resource,
            nodes=self._nodes,
            pipelines=self._selection.named_pipelines,
        )
        specs = self._index.produced_specs(self._nodes)
        inputs = self._index.external_specs(self._nodes) if external else []
        part = list(self._selection.words())
        observation = InputObservation(self._index, self._orchestration.observation, inputs, part)
        freshness = FreshnessChecks(self._index, self._orchestration, [*specs, *inputs], part)
        observing = {job.name for job in observation.jobs}
        for name, job in jobs.by_name.items():
            if job.name in observing:
                raise OrchestrationError.at(
                    f"jobs.{name}",
                    "the job that looks at free inputs has this name",
                    "Choose another; of a registered pipeline, with `pipeline_jobs: false`.",
                )
        return dg.Definitions(
            assets=[*self._assets(), *observation.assets()],
            asset_checks=[*freshness.definitions, *self._input_checks(inputs, part)],
            jobs=[*jobs.by_name.values(), *observation.jobs],
            schedules=[*jobs.schedules, *observation.schedules()],
            sensors=[
                *build_sensors(self._index, self._orchestration, jobs.by_name),
                *automation_sensors(self._index, self._orchestration, [*specs, *inputs], part),
                *freshness.sensors(),
            ],
            loggers=jobs.loggers or None,
            executor=default_executor(orchestration),
            resources={self._resource_key: resource},
        )

    def _assets(self) -> Iterator[dg.AssetsDefinition]:
        given = self._step.op.name
        per = self._step_per()
        if per == "selection":
            name = given or default_op_name(self._index, self._selection)
            yield from self._by_partitions(name, self._nodes)
            return
        package = self._index.manifest.project.package_name
        for group in plan_groups(self._index.graph, self._nodes, self._policy(per)).groups:
            name = (
                dagster_name(f"{given}_{group.name}")
                if given
                else self._index.name_for(package, group.name)
            )
            yield from self._by_partitions(name, set(group.nodes))

    def _step_per(self) -> StepPer:
        per = self._step.per or self._orchestration.step_per
        if per == "auto":
            return "pipeline" if len(self._nodes) > LARGE_PROJECT_NODES else "selection"
        return per

    def _policy(self, per: StepPer) -> GroupPolicy:
        """Return which nodes are to share a step; within it they are grouped as `grouping` says."""
        policy = self._orchestration.group_policy()
        if per == "group":
            return policy
        return msgspec.structs.replace(policy, strategy="pipeline", on_cycle="widen")

    def _by_partitions(self, name: str, nodes: set[str]) -> Iterator[dg.AssetsDefinition]:
        """Make an op for each partitions definition: no job can hold two in one op."""
        keys = [spec.key for spec in self._index.produced_specs(nodes)]
        parts = self._index.by_partitions(keys)
        for entry, part in parts:
            own = name if entry is None or len(parts) == 1 else f"{name}_{dagster_name(entry.name)}"
            yield self._running(own, self._nodes_of(part))

    def _nodes_of(self, keys: list[dg.AssetKey]) -> set[str]:
        made_by = (self._index.by_key[key].node for key in keys)
        return {node.name for node in made_by if node is not None}

    def _input_checks(
        self, inputs: Sequence[dg.AssetSpec], part: Sequence[str]
    ) -> Iterator[dg.AssetChecksDefinition]:
        """Make the checks of free inputs, which no op makes that they could be part of."""
        key, package = self._resource_key, self._index.manifest.project.package_name
        name = self._index.name_for(package, *part, "input_checks")
        make = kedro_input_checks(
            self._index, [spec.key for spec in inputs], name, required_resource_keys={key}
        )
        if make is None:
            return

        @make
        def check_free_inputs(context: dg.AssetCheckExecutionContext) -> Iterator[Any]:
            resource: KedroPipesResource = getattr(context.resources, key)
            yield from resource.run(dg.AssetExecutionContext(context.op_execution_context)).stream()

        yield check_free_inputs

    def _running(self, name: str, nodes: set[str]) -> dg.AssetsDefinition:
        key, execute = self._resource_key, self._step.execute
        options = {"pool": self._orchestration.concurrency.pool, **self._step.op.options()}

        @kedro_multi_asset(
            self._index, nodes=nodes, name=name, required_resource_keys={key}, **options
        )
        def run_kedro_nodes(context: dg.AssetExecutionContext) -> Iterator[Any]:
            yield from execute(context, getattr(context.resources, key))

        return run_kedro_nodes


def _run_selected(
    on_event: OnEvent | None, context: dg.AssetExecutionContext, kedro: KedroPipesResource
) -> Iterator[Any]:
    return kedro.run(context, on_event=on_event).stream()


def _linked_indexes(
    projects: Sequence[KedroProject], translator: DagsterKedroTranslator
) -> list[AssetIndex]:
    """Index each project; of several, once more, now that it is known what the others make."""
    indexes = [AssetIndex(project, translator) for project in projects]
    if len(indexes) == 1:
        return indexes
    made = {place: spec for index in indexes for place, spec in index.made_here().items()}
    return [AssetIndex(project, translator, made) for project in projects]
