"""A manifest as Dagster definitions: one multi-asset, the external assets, a job a pipeline.

Definition time only: nothing here starts a worker. Annotations are not postponed here, since
Dagster reads those of the function that it runs.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import dagster as dg
from kedro_manifest.errors import UnknownNameError
from kedro_manifest.names import dagster_name, strip_transcoding
from kedro_manifest.selection import namespaces_of

from dagster_kedro.clients.base import KedroClient
from dagster_kedro.clients.subprocess import KedroSubprocessClient
from dagster_kedro.index import INDEX_TAG, AssetIndex, register_index
from dagster_kedro.project import KedroProject
from dagster_kedro.resource import KedroPipesResource
from dagster_kedro.translator import DagsterKedroTranslator

RESOURCE_KEY = "kedro"
"""Name of the resource that `build_definitions` binds."""


def kedro_assets(
    *,
    project: KedroProject,
    pipelines: Sequence[str] | None = None,
    translator: DagsterKedroTranslator | None = None,
    name: str | None = None,
    retry_policy: dg.RetryPolicy | None = None,
    pool: str | None = None,
    op_tags: dict[str, Any] | None = None,
    check_specs: Sequence[dg.AssetCheckSpec] | None = None,
) -> Callable[[Callable[..., Iterator[Any]]], dg.AssetsDefinition]:
    """Make one multi-asset of everything that a project's nodes write.

    Args:
        project: The project.
        pipelines: Registered pipelines to take; None takes every one.
        translator: How datasets look as assets.
        name: Name of the op. Default: the package's name, the pipelines if some are chosen,
            and `assets`.
        retry_policy: Of the step.
        pool: Dagster's concurrency pool of the step.
        op_tags: Tags of the op, such as `dagster-k8s/config`.
        check_specs: Asset checks that node code reports through Pipes.

    Returns:
        A decorator for a function of `context` and the resource that yields what
        `kedro.run(context).stream()` yields.

    Raises:
        UnknownNameError: There is no such pipeline.

    Example:
        >>> @kedro_assets(project=project)
        ... def flights(context: dg.AssetExecutionContext, kedro: KedroPipesResource):
        ...     yield from kedro.run(context).stream()
    """
    index = AssetIndex(project, translator or DagsterKedroTranslator())
    return _kedro_multi_asset(
        index,
        pipelines=pipelines,
        name=name,
        retry_policy=retry_policy,
        pool=pool,
        op_tags=op_tags,
        check_specs=check_specs,
    )


def build_kedro_asset_specs(
    project: KedroProject,
    *,
    pipelines: Sequence[str] | None = None,
    translator: DagsterKedroTranslator | None = None,
) -> list[dg.AssetSpec]:
    """Return the specs of all assets, external ones last, for use without our execution."""
    index = AssetIndex(project, translator or DagsterKedroTranslator())
    nodes = index.nodes_of(pipelines)
    return [*index.produced_specs(nodes), *index.external_specs(nodes)]


def build_definitions(
    *projects: KedroProject,
    pipelines: Sequence[str] | None = None,
    translator: DagsterKedroTranslator | None = None,
    client: KedroClient | None = None,
    resource: KedroPipesResource | None = None,
    external_assets: bool = True,
) -> dg.Definitions:
    """Return everything that projects give: assets, external assets, jobs, the resource.

    A free input of one project that another one writes, by its URI, depends on that asset.

    Args:
        projects: The project, or several with a `key_prefix` each.
        pipelines: Registered pipelines to take; None takes every one.
        translator: How datasets look as assets.
        client: Where workers run. Default: a process each, on this machine.
        resource: The whole resource, where more than the client is to be set.
        external_assets: Whether free inputs get assets; False where other definitions, which
            these are merged with, make them.

    Returns:
        Definitions that can be merged with others (`Definitions.merge`).

    Raises:
        UnknownNameError: There is no such pipeline.
        DuplicateNameError: Two assets have one key.
    """
    assets: list[Any] = []
    jobs: list[Any] = []
    for index in _linked_indexes(projects, translator or DagsterKedroTranslator()):
        assets.append(_running_assets(index, pipelines))
        jobs += _pipeline_jobs(index, pipelines)
        if external_assets:
            assets += index.external_specs(index.nodes_of(pipelines))
    return dg.Definitions(
        assets=assets,
        jobs=jobs,
        resources={
            RESOURCE_KEY: resource or KedroPipesResource(client=client or KedroSubprocessClient())
        },
    )


def _linked_indexes(
    projects: Sequence[KedroProject], translator: DagsterKedroTranslator
) -> list[AssetIndex]:
    """Index each project; of several, once more, now that it is known what the others make."""
    indexes = [AssetIndex(project, translator) for project in projects]
    if len(indexes) == 1:
        return indexes
    made = {place: key for index in indexes for place, key in index.made_here().items()}
    return [AssetIndex(project, translator, made) for project in projects]


def _running_assets(index: AssetIndex, pipelines: Sequence[str] | None) -> dg.AssetsDefinition:
    @_kedro_multi_asset(index, pipelines=pipelines)
    def run_kedro_nodes(
        context: dg.AssetExecutionContext, kedro: KedroPipesResource
    ) -> Iterator[Any]:
        yield from kedro.run(context).stream()

    return run_kedro_nodes


def get_asset_key_for_dataset(
    assets: Iterable[dg.AssetsDefinition | dg.AssetSpec], dataset: str
) -> dg.AssetKey:
    """Return the key of the asset that stands for a Kedro dataset.

    Args:
        assets: What `@kedro_assets` or `build_kedro_asset_specs` gave.
        dataset: Name in the catalog, with or without transcoding.

    Raises:
        UnknownNameError: None of the assets stands for it.
    """
    keys = {
        spec.metadata["kedro/dataset"]: spec.key
        for spec in _specs(assets)
        if "kedro/dataset" in spec.metadata
    }
    wanted = strip_transcoding(dataset)
    if wanted not in keys:
        raise UnknownNameError.of("dataset", wanted, keys)
    return keys[wanted]


def build_kedro_asset_selection(
    assets: Iterable[dg.AssetsDefinition | dg.AssetSpec],
    *,
    pipelines: Iterable[str] = (),
    nodes: Iterable[str] = (),
    namespaces: Iterable[str] = (),
    tags: Iterable[str] = (),
) -> dg.AssetSelection:
    """Select assets by what Kedro knows of the nodes that make them.

    Several values of one kind widen the selection, several kinds narrow it, as in `kedro run`.

    Raises:
        UnknownNameError: A value that no node has.
    """
    specs = [spec for spec in _specs(assets) if "kedro/node" in spec.metadata]
    chosen = {spec.key for spec in specs}
    wanted = {
        "pipeline": (pipelines, lambda spec: spec.metadata["kedro/pipelines"]),
        "node": (nodes, lambda spec: [spec.metadata["kedro/node"]]),
        "namespace": (namespaces, lambda spec: namespaces_of(spec.metadata.get("kedro/namespace"))),
        "tag": (tags, lambda spec: spec.metadata.get("kedro/tags", [])),
    }
    for kind, (values, values_of) in wanted.items():
        if values := set(values):
            by_value = _by_value(specs, values_of)
            for value in sorted(values - by_value.keys()):
                raise UnknownNameError.of(kind, value, by_value)
            chosen &= set().union(*(by_value[value] for value in values))
    return dg.AssetSelection.assets(*sorted(chosen))


def _kedro_multi_asset(
    index: AssetIndex,
    *,
    pipelines: Sequence[str] | None = None,
    name: str | None = None,
    op_tags: dict[str, Any] | None = None,
    **options: Any,
) -> Callable[[Callable[..., Iterator[Any]]], dg.AssetsDefinition]:
    # Dagster needs a name for each op: two parts of one project are two ops.
    chosen = [] if pipelines is None else pipelines
    parts = [*index.project.key_prefix, index.manifest.project.package_name, *chosen, "assets"]
    name = name or dagster_name("_".join(parts))
    return dg.multi_asset(
        name=name,
        specs=index.produced_specs(index.nodes_of(pipelines)),
        can_subset=True,
        op_tags={**(op_tags or {}), INDEX_TAG: register_index(name, index)},
        **options,
    )


def _pipeline_jobs(index: AssetIndex, pipelines: Sequence[str] | None) -> Iterator[Any]:
    for pipeline in index.manifest.pipelines:
        chosen = pipelines is None or pipeline.name in pipelines
        keys = [spec.key for spec in index.produced_specs(set(pipeline.nodes))]
        if chosen and keys:
            yield dg.define_asset_job(
                dagster_name("_".join([*index.project.key_prefix, pipeline.name])),
                selection=dg.AssetSelection.assets(*keys),
                description=f"Kedro pipeline `{pipeline.name}`, {len(pipeline.nodes)} nodes.",
            )


def _specs(assets: Iterable[dg.AssetsDefinition | dg.AssetSpec]) -> Iterator[dg.AssetSpec]:
    for item in assets:
        if isinstance(item, dg.AssetSpec):
            yield item
        else:
            yield from item.specs


def _by_value(
    specs: Iterable[dg.AssetSpec], values_of: Callable[[dg.AssetSpec], Iterable[str]]
) -> dict[str, set[dg.AssetKey]]:
    found: dict[str, set[dg.AssetKey]] = {}
    for spec in specs:
        for value in values_of(spec):
            found.setdefault(value, set()).add(spec.key)
    return found
