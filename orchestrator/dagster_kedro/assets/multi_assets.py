"""A manifest as assets: multi-assets, bare specs, and ways to find some of them.

Definition time only: nothing here starts a worker. Annotations are not postponed here, since
Dagster reads those of the function that it runs.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import dagster as dg
from kedro_manifest.errors import UnknownNameError
from kedro_manifest.names import strip_transcoding
from kedro_manifest.planning.selection import namespaces_of

from dagster_kedro.assets.index import INDEX_TAG, AssetIndex, register_index
from dagster_kedro.assets.node_selection import NodeSelection, Selected
from dagster_kedro.assets.overlaps import warn_of_overlaps
from dagster_kedro.assets.translator import DagsterKedroTranslator
from dagster_kedro.project import KedroProject


def kedro_assets(
    *,
    project: KedroProject,
    pipelines: Sequence[str] | None = None,
    select: Selected | None = None,
    exclude: Selected | None = None,
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
        select: A registered pipeline or filters as those of `kedro run`: only these nodes.
        exclude: The same, of nodes to leave out.
        translator: How datasets look as assets.
        name: Name of the op. Default: the package's name, what is selected by name, and
            `assets`.
        retry_policy: Of the step.
        pool: Dagster's concurrency pool of the step.
        op_tags: Tags of the op, such as `dagster-k8s/config`.
        check_specs: Asset checks that node code reports through Pipes.

    Returns:
        A decorator for a function of `context` and the resource that yields what
        `kedro.run(context).stream()` yields.

    Raises:
        UnknownNameError: A name that is not there, or filters that leave no node.

    Example:
        >>> @kedro_assets(project=project)
        ... def flights(context: dg.AssetExecutionContext, kedro: KedroPipesResource):
        ...     yield from kedro.run(context).stream()
    """
    index = AssetIndex(project, translator or DagsterKedroTranslator())
    selection = NodeSelection(pipelines=pipelines, select=select, exclude=exclude)
    make = kedro_multi_asset(
        index,
        nodes=selection.nodes_in(index),
        # Dagster needs a name for each op: two parts of one project are two ops.
        name=name or default_op_name(index, selection),
        retry_policy=retry_policy,
        pool=pool,
        op_tags=op_tags,
        check_specs=check_specs,
    )

    def decorate(function: Callable[..., Iterator[Any]]) -> dg.AssetsDefinition:
        made = make(function)
        warn_of_overlaps(project, made)
        return made

    return decorate


def build_kedro_asset_specs(
    project: KedroProject,
    *,
    pipelines: Sequence[str] | None = None,
    select: Selected | None = None,
    exclude: Selected | None = None,
    translator: DagsterKedroTranslator | None = None,
) -> list[dg.AssetSpec]:
    """Return the specs of all assets, external ones last, for use without our execution."""
    index = AssetIndex(project, translator or DagsterKedroTranslator())
    nodes = NodeSelection(pipelines=pipelines, select=select, exclude=exclude).nodes_in(index)
    return [*index.produced_specs(nodes), *index.external_specs(nodes)]


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


def default_op_name(index: AssetIndex, selection: NodeSelection) -> str:
    """Return a name for the op of a selection, so that two of one project differ."""
    return index.name_for(index.manifest.project.package_name, *selection.words(), "assets")


def kedro_multi_asset(
    index: AssetIndex,
    *,
    nodes: AbstractSet[str],
    name: str,
    op_tags: dict[str, Any] | None = None,
    check_specs: Iterable[dg.AssetCheckSpec] | None = None,
    **options: Any,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Make one multi-asset of what some nodes write; a step of it finds the index by its tag."""
    specs = index.produced_specs(nodes)
    entries = [entry for entry, _ in index.by_partitions([spec.key for spec in specs]) if entry]
    if entries and options.get("backfill_policy") is None:
        # One op has one policy: a run for its whole range only where all of it can take one.
        each_its_own = [each for each in entries if each.settings.backfill == "multi_run"]
        options["backfill_policy"] = (each_its_own or entries)[0].backfill_policy
    # What the user declares comes before what the project says of itself.
    checks = {spec.key: spec for spec in index.check_specs(spec.key for spec in specs)}
    checks.update({spec.key: spec for spec in check_specs or ()})
    return dg.multi_asset(
        name=name,
        specs=specs,
        check_specs=list(checks.values()) or None,
        can_subset=True,
        op_tags={**(op_tags or {}), INDEX_TAG: register_index(name, index)},
        **options,
    )


def kedro_input_checks(
    index: AssetIndex, keys: Iterable[dg.AssetKey], name: str, **options: Any
) -> Callable[[Callable[..., Any]], dg.AssetChecksDefinition] | None:
    """Make an op of the checks of some free inputs, each of which can run by itself.

    Returns:
        A decorator; None if there are no such checks.
    """
    specs = index.check_specs(keys)
    if not specs:
        return None
    tags = {INDEX_TAG: register_index(name, index)}
    return dg.multi_asset_check(name=name, specs=specs, can_subset=True, op_tags=tags, **options)


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
