"""How a Kedro dataset or node looks as a Dagster asset: the one override point.

Pure: from the manifest's records to an `AssetSpec`. Knows neither files nor processes.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg
import msgspec
from kedro_manifest import names
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.model import Dataset, Manifest, Node, Parameter
from kedro_manifest.orchestration.automation import AssetSettings, CodeReferences
from kedro_manifest.orchestration.root import orchestration_of
from kedro_manifest.planning.graph import PipelineGraph, outputs_of
from kedro_manifest.settings.assets import (
    MOST_KINDS,
    check_asset_settings,
    check_code_references,
    fill_group_name,
    place_of,
    settings_for,
)
from kedro_manifest.settings.catalog_metadata import settings_in_catalog

from dagster_kedro.assets.look import automation_condition, freshness_policy

DEFAULT_PIPELINE = "__default__"
_DESCRIBED_DOC_LENGTH = 4000

_UNDER_DEV = "DAGSTER_IS_DEV_CLI"

# Code references are marked as beta in Dagster: nothing that a user of ours could act on.
_BETA = "LocalFileCodeReference|UrlCodeReference|CodeReferencesMetadataValue"
warnings.filterwarnings("ignore", rf"Class `({_BETA})`")


class KedroAsset(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One asset to be: a dataset that a node writes, a free input, or a node without outputs."""

    name: str
    """Kedro's name of the dataset (without transcoding) or of the node."""
    manifest: Manifest
    node: Node | None = None
    """The node that makes the asset; None for a free input."""
    dataset: Dataset | None = None
    """The catalog entry; None for a node without outputs and for undeclared memory data."""
    pipelines: list[str] = []
    """Registered pipelines that hold the node, sorted, the default one last."""
    key_prefix: list[str] = []
    """Of the project, before the parts of the name."""
    project_dir: Path | None = None
    source_url: str | None = None
    """Of the node's function in a source repository, where `dagster.yml` says how to find it."""
    is_memory: bool = False
    """True for data that no other process can load."""
    settings: AssetSettings = AssetSettings()
    """What the catalog says of it, and over that `dagster.yml` under all patterns that match."""

    @property
    def key_parts(self) -> list[str]:
        """Default key: prefix, namespaces, name; a bare node named like a dataset gets `node`."""
        parts = [*self.key_prefix, *names.asset_key_parts(self.name)]
        if not self.is_node:
            return parts
        datasets = {names.strip_transcoding(dataset.name) for dataset in self.manifest.datasets}
        return [*parts, "node"] if self.name in datasets else parts

    @property
    def is_external(self) -> bool:
        """True for a free input, which no node of the project makes."""
        return self.node is None

    @property
    def is_node(self) -> bool:
        """True for a node without outputs."""
        return self.node is not None and not self.node.outputs

    @property
    def namespace(self) -> str | None:
        """Of the node; of a free input, what stands before the last dot of its name."""
        if self.node is not None:
            return self.node.namespace
        return self.name.rpartition(".")[0] or None

    def place_of(self, field: str) -> str:
        """Return where in `dagster.yml` one of the settings was said."""
        return place_of(orchestration_of(self.manifest).assets, self.name, field)


class DagsterKedroTranslator:
    """Turns Kedro's names and records into Dagster's. Subclass it and override `get_asset_spec`.

    Example:
        >>> class Prefixed(DagsterKedroTranslator):
        ...     def get_asset_spec(self, asset):
        ...         spec = super().get_asset_spec(asset)
        ...         return spec.replace_attributes(key=spec.key.with_prefix("flights"))
    """

    def get_asset_spec(self, asset: KedroAsset) -> dg.AssetSpec:
        """Return the spec of one asset. Dependencies are added by the caller, from the keys.

        What `dagster.yml` says under `assets` is in it already, so that a subclass has the last
        word.

        Raises:
            OrchestrationError: Something under `assets` cannot be used.
        """
        said = asset.settings
        return dg.AssetSpec(
            key=dg.AssetKey(asset.key_parts),
            description=said.description or _description(asset),
            group_name=_group_name(asset),
            kinds=_kinds(asset),
            tags={**_tags(asset), **said.tags},
            owners=said.owners,
            code_version=_code_version(asset),
            metadata={**_metadata(asset), **said.metadata},
            freshness_policy=_freshness(asset),
            automation_condition=_automation(asset),
        )


def kedro_assets_of(
    manifest: Manifest,
    graph: PipelineGraph,
    project_dir: Path | None,
    key_prefix: list[str] | None = None,
) -> Iterator[KedroAsset]:
    """Yield every asset of a manifest: produced datasets and bare nodes first, then free inputs."""
    pipelines = _pipelines_by_node(manifest)
    orchestration = orchestration_of(manifest)
    settings, said = orchestration.assets, orchestration.code_references
    check_asset_settings(settings)
    check_code_references(said)
    for node_name in graph.order:
        node = graph.nodes[node_name]
        for name in outputs_of(node) or [node.name]:
            yield KedroAsset(
                name=name,
                manifest=manifest,
                node=node,
                dataset=graph.datasets.get(name) if node.outputs else None,
                pipelines=pipelines.get(node.name, []),
                project_dir=project_dir,
                key_prefix=key_prefix or [],
                source_url=_source_url(said, node),
                is_memory=bool(node.outputs) and graph.is_memory(name),
                settings=settings_for(settings, name, _in_catalog(graph, name, node)),
            )
    for name in graph.free_inputs():
        yield KedroAsset(
            name=name,
            manifest=manifest,
            dataset=graph.datasets.get(name),
            project_dir=project_dir,
            key_prefix=key_prefix or [],
            is_memory=graph.is_memory(name),
            settings=settings_for(settings, name, _in_catalog(graph, name)),
        )


def _in_catalog(graph: PipelineGraph, name: str, node: Node | None = None) -> AssetSettings:
    is_node = node is not None and not node.outputs
    return settings_in_catalog(None if is_node else graph.datasets.get(name))


def _source_url(said: CodeReferences | None, node: Node) -> str | None:
    if said is None or node.source is None:
        return None
    url = said.url.replace("{path}", quote(node.source.path))
    return url.replace("{line}", str(node.source.line))


def _pipelines_by_node(manifest: Manifest) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pipeline in sorted(manifest.pipelines, key=lambda p: (p.name == DEFAULT_PIPELINE, p.name)):
        for node in pipeline.nodes:
            found.setdefault(node, []).append(pipeline.name)
    # Thousands of nodes share a few lists.
    shared: dict[tuple[str, ...], list[str]] = {}
    return {node: shared.setdefault(tuple(held), held) for node, held in found.items()}


def _group_name(asset: KedroAsset) -> str:
    """What `dagster.yml` says, else the namespace, else the first pipeline that holds the node."""
    pipeline = next((name for name in asset.pipelines if name != DEFAULT_PIPELINE), None)
    said = asset.settings.group_name
    if said and (filled := fill_group_name(said, asset.namespace, pipeline)):
        return filled
    if asset.node is None:
        return "inputs"
    return names.group_name(asset.node.namespace or pipeline or "default")


def _kinds(asset: KedroAsset) -> set[str]:
    kinds = {"kedro"}
    if asset.is_node:
        kinds.add("node")
    elif asset.is_memory:
        kinds.add("memory")
    elif asset.dataset is not None:
        kinds |= set(_dataset_kinds(asset.dataset))
    kinds |= set(asset.settings.kinds)
    if len(kinds) > MOST_KINDS:
        raise OrchestrationError.at(
            asset.place_of("kinds"),
            f"'{asset.name}' would be of {len(kinds)} kinds",
            f"Dagster takes {MOST_KINDS} at most.",
        )
    return kinds


def _dataset_kinds(dataset: Dataset) -> list[str]:
    """`pandas.ParquetDataset` is of the kinds pandas and parquet. Dagster shows three at most."""
    module, _, class_name = dataset.type.rpartition(".")
    library = module.split(".")[1] if module.startswith("kedro_datasets.") else module.split(".")[0]
    form = class_name.removesuffix("Dataset").removesuffix("DataSet").lower()
    if library == "partitions":  # which `partitioned` says, and is a word of Dagster's own
        library = form
    return [kind for kind in dict.fromkeys([library, form]) if kind.isidentifier()]


def _freshness(asset: KedroAsset) -> dg.FreshnessPolicy | None:
    said = asset.settings.freshness
    return freshness_policy(said, asset.place_of("freshness")) if said else None


def _automation(asset: KedroAsset) -> dg.AutomationCondition[Any] | None:
    said = asset.settings.automation
    return automation_condition(said, asset.place_of("automation")) if said else None


def _tags(asset: KedroAsset) -> dict[str, str]:
    tags = asset.node.tags if asset.node else []
    return {key: "" for tag in tags if (key := names.tag_key(tag)) is not None}


def _description(asset: KedroAsset) -> str | None:
    parts = []
    if asset.dataset is not None and isinstance(asset.dataset.metadata.get("description"), str):
        parts.append(asset.dataset.metadata["description"])
    if asset.node is None:
        return "\n\n".join([*parts, "Input that no node of this project writes."])
    if asset.is_memory:
        parts.append("Lives in memory: made again by every run that needs it.")
    if asset.node.doc:
        parts.append(asset.node.doc[:_DESCRIBED_DOC_LENGTH])
    parts.append(f"Made by node `{asset.node.name}` (`{asset.node.function}`).")
    return "\n\n".join(parts)


def _code_version(asset: KedroAsset) -> str | None:
    """Changes with the function's source and with the parameters that the node reads."""
    if asset.node is None or asset.node.source_hash is None:
        return None
    digest = hashlib.sha256(asset.node.source_hash.encode())
    for parameter in _used_parameters(asset.node, asset.manifest.parameters):
        digest.update(msgspec.json.encode(parameter, order="sorted"))
    return digest.hexdigest()[:12]


def _used_parameters(node: Node, parameters: list[Parameter]) -> Iterator[Parameter]:
    used = [name.removeprefix("params:") for name in node.parameters]
    for parameter in parameters:
        for name in used:
            if name in {"parameters", parameter.name} or parameter.name.startswith(f"{name}."):
                yield parameter
                break


def _metadata(asset: KedroAsset) -> dict[str, Any]:
    """Exact Kedro names, which tags and keys cannot always hold.

    Dagster copies every entry twice for each job of the code location, so what goes without
    saying, or is said by the description already, is left out.
    """
    metadata: dict[str, Any] = {}
    if asset.node is not None:
        metadata["kedro/node"] = asset.node.name
        metadata["kedro/pipelines"] = asset.pipelines
        if asset.node.namespace:
            metadata["kedro/namespace"] = asset.node.namespace
        if asset.node.tags:
            metadata["kedro/tags"] = asset.node.tags
        metadata |= _code_references(asset, asset.node)
    if not asset.is_node:
        metadata["kedro/dataset"] = asset.name
        if asset.is_memory:
            metadata["kedro/in_memory"] = True
    if asset.dataset is not None:
        metadata |= _dataset_metadata(asset.dataset)
    return metadata


def _dataset_metadata(dataset: Dataset) -> dict[str, Any]:
    metadata: dict[str, Any] = {"kedro/type": dataset.type}
    if dataset.versioned:
        metadata["kedro/versioned"] = True
    if dataset.uri is not None:
        metadata["dagster/uri"] = dataset.uri
    if dataset.layer is not None:
        metadata["kedro/layer"] = dataset.layer
    if dataset.pattern is not None:
        metadata["kedro/pattern"] = dataset.pattern
    return metadata


def _code_references(asset: KedroAsset, node: Node) -> dict[str, Any]:
    """Say where the function is: in the repository, and on the machine of who develops it.

    A deployed code location has the files elsewhere, if at all, and nobody could open them.
    """
    if node.source is None:
        return {}
    references: list[dg.LocalFileCodeReference | dg.UrlCodeReference] = []
    if asset.source_url is not None:
        references.append(dg.UrlCodeReference(url=asset.source_url, label=node.function))
    if asset.project_dir is not None and (asset.source_url is None or os.getenv(_UNDER_DEV)):
        file = str(asset.project_dir / node.source.path)
        references.append(
            dg.LocalFileCodeReference(
                file_path=file, line_number=node.source.line, label=node.function
            )
        )
    if not references:
        return {}
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=references)}
