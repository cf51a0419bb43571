"""Everything that projects give, as one `Definitions`: assets, jobs, what launches them.

Puts together what the other modules make of a manifest and its `dagster.yml`. Definition time
only. Annotations are not postponed here, since Dagster reads those of the function that it runs.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import dagster as dg
from kedro_manifest.orchestration.root import Orchestration, orchestration_of
from kedro_manifest.planning import plan_groups

from dagster_kedro.assets import kedro_multi_asset
from dagster_kedro.clients.base import KedroClient
from dagster_kedro.clients.subprocess import KedroSubprocessClient
from dagster_kedro.index import AssetIndex
from dagster_kedro.jobs import project_jobs
from dagster_kedro.launchpad import launchpad_resource, resource_key
from dagster_kedro.project import KedroProject
from dagster_kedro.resource import KedroPipesResource
from dagster_kedro.translator import DagsterKedroTranslator

StepPer = Literal["selection", "group"]


def build_definitions(
    *projects: KedroProject,
    pipelines: Sequence[str] | None = None,
    translator: DagsterKedroTranslator | None = None,
    client: KedroClient | None = None,
    resource: KedroPipesResource | None = None,
    step_per: StepPer | None = None,
    external_assets: bool = True,
) -> dg.Definitions:
    """Return everything that projects and their `dagster.yml` give.

    A free input of one project that another one writes, by its URI, depends on that asset.

    Args:
        projects: The project, or several with a `key_prefix` each.
        pipelines: Registered pipelines to take; None takes every one. Jobs of `dagster.yml` that
            need other nodes are left out, with a warning.
        translator: How datasets look as assets.
        client: Where workers run. Default: a process each, on this machine.
        resource: The whole resource, where more than the client is to be set.
        step_per: Whether the nodes of a run are one step of Dagster or each group is a step of
            its own. Default: what `dagster.yml` says.
        external_assets: Whether free inputs get assets; False where other definitions, which
            these are merged with, make them.

    Returns:
        Definitions that can be merged with others (`Definitions.merge`). The resource is named
        `kedro`, for a project with a key prefix `<prefix>_kedro`.

    Raises:
        UnknownNameError: There is no such pipeline.
        OrchestrationError: An entry of `dagster.yml` cannot be used.
        DuplicateNameError: Two assets have one key.
    """
    ready = resource or KedroPipesResource(client=client or KedroSubprocessClient())
    parts = [
        _ProjectDefinitions(index, pipelines, ready, step_per).build(external=external_assets)
        for index in _linked_indexes(projects, translator or DagsterKedroTranslator())
    ]
    return parts[0] if len(parts) == 1 else dg.Definitions.merge(*parts)


class _ProjectDefinitions:
    """What one project gives."""

    def __init__(
        self,
        index: AssetIndex,
        pipelines: Sequence[str] | None,
        resource: KedroPipesResource,
        step_per: StepPer | None,
    ) -> None:
        self._index = index
        self._pipelines = pipelines
        self._resource = resource
        self._orchestration: Orchestration = orchestration_of(index.manifest)
        self._step_per = step_per or self._orchestration.step_per
        self._nodes = index.nodes_of(pipelines)
        self._resource_key = resource_key(index)

    def build(self, *, external: bool) -> dg.Definitions:
        resource = launchpad_resource(
            self._index.manifest, self._resource, self._orchestration.clients
        )
        inputs = self._index.external_specs(self._nodes) if external else []
        jobs = project_jobs(
            self._index,
            self._orchestration,
            resource,
            nodes=self._nodes,
            pipelines=self._pipelines,
        )
        return dg.Definitions(
            assets=[*self._assets(), *inputs],
            jobs=list(jobs.by_name.values()),
            schedules=jobs.schedules,
            loggers=jobs.loggers or None,
            resources={self._resource_key: resource},
        )

    def _assets(self) -> Iterator[dg.AssetsDefinition]:
        package = self._index.manifest.project.package_name
        pool = self._orchestration.concurrency.pool
        if self._step_per == "selection":
            name = self._index.name_for(package, *(self._pipelines or ()), "assets")
            yield self._running(name, self._nodes, pool)
            return
        policy = self._orchestration.group_policy()
        for group in plan_groups(self._index.graph, self._nodes, policy).groups:
            name = self._index.name_for(package, group.name)
            yield self._running(name, set(group.nodes), pool)

    def _running(self, name: str, nodes: set[str], pool: str | None) -> dg.AssetsDefinition:
        key = self._resource_key

        @kedro_multi_asset(
            self._index, nodes=nodes, name=name, pool=pool, required_resource_keys={key}
        )
        def run_kedro_nodes(context: dg.AssetExecutionContext) -> Iterator[Any]:
            yield from getattr(context.resources, key).run(context).stream()

        return run_kedro_nodes


def _linked_indexes(
    projects: Sequence[KedroProject], translator: DagsterKedroTranslator
) -> list[AssetIndex]:
    """Index each project; of several, once more, now that it is known what the others make."""
    indexes = [AssetIndex(project, translator) for project in projects]
    if len(indexes) == 1:
        return indexes
    made = {place: key for index in indexes for place, key in index.made_here().items()}
    return [AssetIndex(project, translator, made) for project in projects]
