"""Which asset key stands for which Kedro dataset or node, both ways.

Built once per `@kedro_assets`, used at definition time and again by the running step, which
finds it through a tag of its op. Knows no files and no processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import dagster as dg
from kedro_manifest.errors import DuplicateNameError, UnknownNameError
from kedro_manifest.model import Node, Pipeline
from kedro_manifest.names import dagster_name
from kedro_manifest.orchestration.root import orchestration_of
from kedro_manifest.planning.graph import PipelineGraph, inputs_of, outputs_of

from dagster_kedro.assets.checks import project_checks
from dagster_kedro.assets.partitions import Partitioned, Partitioning, partition_mapping
from dagster_kedro.assets.translator import DagsterKedroTranslator, KedroAsset, kedro_assets_of
from dagster_kedro.project import KedroProject

INDEX_TAG = "kedro_pipes/index"
"""Op tag that names the index of a multi-asset."""

_INDEXES: dict[str, AssetIndex] = {}
"""By tag value. A process loads definitions before it runs a step, so it is always filled."""


class AssetIndex:
    """The assets of one project, under one translator.

    Args:
        project: The project.
        translator: How its datasets look as assets.
        made_elsewhere: Assets of other projects, by where their data is: a free input that is
            one of them depends on it, and gets no asset of its own.

    Raises:
        DuplicateNameError: The translator gave two assets one key.
        OrchestrationError: An entry of `partitions` or `checks` cannot be used.
    """

    def __init__(
        self,
        project: KedroProject,
        translator: DagsterKedroTranslator,
        made_elsewhere: Mapping[str, dg.AssetSpec] | None = None,
    ) -> None:
        self.project = project
        self.manifest = project.manifest
        self.graph = PipelineGraph(self.manifest)
        self.by_key: dict[dg.AssetKey, KedroAsset] = {}
        self._partitioning = Partitioning(self.graph, orchestration_of(self.manifest))
        self._definitions: dict[dg.AssetKey, dg.PartitionsDefinition[Any] | None] = {}
        specs: dict[dg.AssetKey, dg.AssetSpec] = {}
        linked: dict[str, dg.AssetKey] = {}
        for asset in kedro_assets_of(
            self.manifest, self.graph, project.project_dir, project.key_prefix
        ):
            other = self._made_by_another(asset, made_elsewhere)
            if other is not None:
                linked[asset.name] = other.key
                self._definitions[other.key] = other.partitions_def
                continue
            spec = translator.get_asset_spec(asset)
            if spec.key in specs:
                raise DuplicateNameError(_same_key(spec.key, self.by_key[spec.key], asset))
            specs[spec.key] = spec
            self.by_key[spec.key] = asset
            self._definitions[spec.key] = spec.partitions_def
            if asset.node is not None and spec.partitions_def is not None:
                self._partitioning.override(asset.node.name, spec.partitions_def)
        self.key_of_dataset = {
            asset.name: key for key, asset in self.by_key.items() if not asset.is_node
        } | linked
        self.key_of_node = {asset.name: key for key, asset in self.by_key.items() if asset.is_node}
        self.specs = {key: self._with_deps(spec) for key, spec in specs.items()}
        self.checks = project_checks(self.manifest, self.by_key)
        """What workers report, besides what a user of `@kedro_assets` declares."""
        self.partition_ids = self._partitioning.partition_ids()
        """How the partitions of each PartitionedDataset stand for keys, where they do."""

    def name_for(self, *parts: str) -> str:
        """Return a legal name for an op, job, schedule or sensor that no other project has."""
        return dagster_name("_".join([*self.project.key_prefix, *parts]))

    def nodes_of(self, pipelines: Iterable[str] | None) -> set[str]:
        """Return the nodes of some pipelines; of all with None.

        Raises:
            UnknownNameError: There is no such pipeline.
        """
        if pipelines is None:
            return set(self.graph.nodes)
        by_name = {pipeline.name: pipeline.nodes for pipeline in self.manifest.pipelines}
        nodes: set[str] = set()
        for name in pipelines:
            if name not in by_name:
                raise UnknownNameError.of("pipeline", name, by_name)
            nodes.update(by_name[name])
        return nodes

    def pipelines_holding(self, nodes: Iterable[str]) -> list[Pipeline]:
        """Return registered pipelines that together hold some nodes: few, and small ones first.

        Those that Kedro can load alone come before all others, if they hold all of the nodes: one
        that cannot be loaded alone makes the worker load every pipeline.
        """
        wanted = set(nodes)
        every = sorted(self.manifest.pipelines, key=lambda each: (len(each.nodes), each.name))
        alone = _first_holding(wanted, [each for each in every if each.loads_alone])
        held = {name for pipeline in alone for name in pipeline.nodes}
        return alone if wanted <= held else _first_holding(wanted, every)

    def keys_of(self, node: Node) -> list[dg.AssetKey]:
        """Return the assets that a node makes: its outputs, or itself if it has none."""
        if not node.outputs:
            return [self.key_of_node[node.name]]
        return [self.key_of_dataset[name] for name in outputs_of(node)]

    def produced_specs(self, nodes: AbstractSet[str]) -> list[dg.AssetSpec]:
        """Return the specs of everything that some nodes make, in topological order."""
        return [
            self.specs[key]
            for key, asset in self.by_key.items()
            if asset.node is not None and asset.node.name in nodes
        ]

    def check_specs(self, keys: Iterable[dg.AssetKey]) -> list[dg.AssetCheckSpec]:
        """Return the specs of the checks of some assets, in topological order."""
        wanted = set(keys)
        return [
            check.spec(self.specs[key.asset_key].partitions_def)
            for key, check in self.checks.items()
            if key.asset_key in wanted
        ]

    def external_specs(self, nodes: set[str]) -> list[dg.AssetSpec]:
        """Return the specs of what some nodes read and no node of the project writes."""
        read = {name for node in nodes for name in inputs_of(self.graph.nodes[node])}
        return [
            self.specs[key]
            for key, asset in self.by_key.items()
            if asset.is_external and asset.name in read
        ]

    def partitioned_by(self, key: dg.AssetKey) -> Partitioned | None:
        """Return what an asset is partitioned by."""
        asset = self.by_key.get(key)
        node = asset.node if asset is not None else None
        return self._partitioning.of_node(node.name) if node is not None else None

    def by_partitions(
        self, keys: Iterable[dg.AssetKey]
    ) -> list[tuple[Partitioned | None, list[dg.AssetKey]]]:
        """Return assets by what they are partitioned by, those without partitions under None."""
        entries: dict[str | None, Partitioned | None] = {}
        parts: dict[str | None, list[dg.AssetKey]] = {}
        for key in keys:
            entry = self.partitioned_by(key)
            name = entry.name if entry is not None else None
            entries[name] = entry
            parts.setdefault(name, []).append(key)
        return [(entries[name], part) for name, part in parts.items()]

    def made_here(self) -> dict[str, dg.AssetSpec]:
        """Return the assets that this project makes, by where their data is."""
        return {
            location: self.specs[key]
            for key, asset in self.by_key.items()
            if not asset.is_external and (location := self._location(asset)) is not None
        }

    def _made_by_another(
        self, asset: KedroAsset, made_elsewhere: Mapping[str, dg.AssetSpec] | None
    ) -> dg.AssetSpec | None:
        # Finding out where data is asks the file system.
        if not made_elsewhere or not asset.is_external:
            return None
        return made_elsewhere.get(self._location(asset) or "")

    def _location(self, asset: KedroAsset) -> str | None:
        return self.project.location_of(asset.dataset) if asset.dataset is not None else None

    def _with_deps(self, spec: dg.AssetSpec) -> dg.AssetSpec:
        """Add what the node reads to the dependencies that the translator may have set."""
        node = self.by_key[spec.key].node
        if node is None:
            return spec
        definition = self._definition_of(spec.key)
        read = [
            dg.AssetDep(key, partition_mapping=partition_mapping(upstream, definition))
            for key in (self.key_of_dataset[name] for name in inputs_of(node))
            for upstream in [self._definition_of(key)]
        ]
        deps = {dep.asset_key: dep for dep in (*read, *spec.deps)}
        return spec.replace_attributes(deps=list(deps.values()), partitions_def=definition)

    def _definition_of(self, key: dg.AssetKey) -> dg.PartitionsDefinition[Any] | None:
        entry = self.partitioned_by(key)
        return entry.definition if entry is not None else self._definitions[key]


def register_index(name: str, index: AssetIndex) -> str:
    """Keep an index for the steps of this process; return the tag value that finds it."""
    # Two code locations may hold projects of one name, but never in one process.
    _INDEXES[name] = index
    return name


def index_of_step(context: dg.AssetExecutionContext) -> AssetIndex:
    """Return the index of the multi-asset that a step belongs to.

    Raises:
        UnknownNameError: The step is not one of `@kedro_assets`, or keys of its assets were
            changed since.
    """
    name = context.op.tags.get(INDEX_TAG)
    if name not in _INDEXES:
        raise UnknownNameError(
            f"Cannot run Kedro nodes in op '{context.op.name}': it was not made by "
            "`@kedro_assets` or `build_definitions`. Use one of them."
        )
    index = _INDEXES[name]
    for key in sorted(context.selected_asset_keys - index.by_key.keys()):
        raise UnknownNameError(
            f"Cannot run asset '{key.to_user_string()}' of op '{context.op.name}': its key was "
            "changed after the asset was made, so that no dataset of project "
            f"'{index.manifest.project.name}' belongs to it. Change keys with `key_prefix` of "
            "`KedroProject` or in `DagsterKedroTranslator.get_asset_spec`."
        )
    return index


def _same_key(key: dg.AssetKey, first: KedroAsset, second: KedroAsset) -> str:
    described = [
        f"{'node' if asset.is_node else 'dataset'} '{asset.name}'" for asset in (first, second)
    ]
    return (
        f"Cannot define asset '{key.to_user_string()}': {described[0]} and {described[1]} have the "
        "same key. Give one of them another in `DagsterKedroTranslator.get_asset_spec`."
    )


def _first_holding(nodes: set[str], pipelines: Iterable[Pipeline]) -> list[Pipeline]:
    missing, chosen = set(nodes), []
    for pipeline in pipelines:
        if missing.intersection(pipeline.nodes):
            chosen.append(pipeline)
            missing -= set(pipeline.nodes)
    return chosen
