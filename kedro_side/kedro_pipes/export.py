"""Describe a Kedro project as a manifest, without running it.

Everything comes from the live pipelines and the project's own config loader, and everything
is sorted: the same project gives the same bytes in every process.
"""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import kedro
import msgspec
from kedro.framework.context import KedroContext
from kedro.pipeline import Pipeline as KedroPipeline
from kedro.pipeline.node import Node as KedroNode
from kedro_manifest.codec import content_hash
from kedro_manifest.errors import DuplicateNameError, OrchestrationError, UnknownNameError
from kedro_manifest.findings import Finding
from kedro_manifest.model import Dataset, Manifest, Node, Pipeline, Project
from kedro_manifest.orchestration.placement import Store
from kedro_manifest.orchestration.root import read_orchestration
from kedro_manifest.planning.graph import PipelineGraph
from kedro_manifest.preflight.check import check_manifest
from pluggy import PluginManager

from kedro_pipes.project.added_datasets import added_datasets
from kedro_pipes.project.catalog_entries import CatalogEntries
from kedro_pipes.project.configuration import read_config
from kedro_pipes.project.hook_registration import describe_hooks
from kedro_pipes.project.loading import (
    OpenedProject,
    catalog_of_own_hooks,
    first_line,
    load_context,
    load_pipelines,
    make_config_loader,
    open_project,
)
from kedro_pipes.project.node_source import SourceReader
from kedro_pipes.project.orchestration_file import (
    FILE,
    Ineffective,
    find_ineffective,
    locate,
    make_public,
    read_blocked_plugins,
    read_file,
    refuse_wrong,
)
from kedro_pipes.project.parameters import describe_parameters
from kedro_pipes.project.picklability import doubt_output
from kedro_pipes.project.redaction import public_json, redact_text
from kedro_pipes.project.registry_probe import probe_registry
from kedro_pipes.project.runtime_parameters import find_runtime_parameters
from kedro_pipes.project.scrubbing import known_secrets, scrub_manifest
from kedro_pipes.project.surroundings import look_around

logger = logging.getLogger(__name__)


def export_project(
    project_path: Path | None = None,
    *,
    package_name: str | None = None,
    env: str | None = None,
    conf_source: str | None = None,
    runtime_params: dict[str, Any] | None = None,
    pipelines: Iterable[str] | None = None,
    parameter_values: bool = True,
    tell: Callable[[str], None] | None = None,
) -> Manifest:
    """Describe the registered pipelines of a project and all that their nodes need.

    Opens a session, so hooks up to `after_context_created` fire; `after_catalog_created` does
    for those of the project's own settings.

    Args:
        project_path: Directory at or below the project's `pyproject.toml`; None for the
            working directory.
        package_name: Import name of a packaged project, which needs no `pyproject.toml`.
        env: Kedro environment; None for `KEDRO_ENV` or the project's default.
        conf_source: Directory or archive of the configuration; None for the project's own.
        runtime_params: Merged over the parameters, as `kedro run --params` does.
        pipelines: Registered pipelines to export; None for all.
        parameter_values: False leaves the parameters' default values out.
        tell: Is told which entries of `dagster.yml` have no effect, such as those that are left
            out because they look like secrets, and which do not fit the project.

    Raises:
        ProjectNotFoundError: No project here.
        ProjectLoadError: The project's code cannot be imported.
        ConfigurationError: The catalog or another configuration file cannot be read.
        UnknownNameError: No such pipeline is registered.
        DuplicateNameError: Two different nodes share a name, or two write one dataset.
        CyclicPipelineError: Nodes depend on each other in a circle.
        OrchestrationError: An entry of `dagster.yml` is wrong.
        PluginError: A plugin's hooks cannot be registered.
    """
    live = open_live_project(
        project_path,
        package_name=package_name,
        env=env,
        conf_source=conf_source,
        runtime_params=runtime_params,
        pipelines=pipelines,
    )
    manifest = describe_project(live, parameter_values=parameter_values)
    # Better refused here than when Dagster loads it.
    loader = live.context.config_loader
    refuse_wrong(manifest.orchestration, loader, live.env, live.project.path)
    _ = PipelineGraph(manifest).order
    if tell is not None:
        for entry in ineffective_entries(live, manifest):
            tell(str(entry))
        for finding in refused_entries(live, manifest):
            tell(f"{finding.place}: {finding.message} {finding.cure}")
    return manifest


def refused_entries(live: LiveProject, manifest: Manifest) -> Iterator[Finding]:
    """Yield the entries of `dagster.yml` that do not fit the project: Dagster will refuse them.

    The export does not: who takes a part of a project, or makes jobs in Python, may do without.
    """
    around = look_around(live.context.config_loader, live.env, live.project.path)
    for finding in check_manifest(manifest, around=around):
        if finding.severity == "error" and finding.place.startswith(FILE):
            yield in_its_file(finding, live)


def in_its_file(finding: Finding, live: LiveProject) -> Finding:
    """Return a finding on an entry of `dagster.yml` with the file and line of the entry."""
    if not finding.place.startswith(FILE):
        return finding
    place = finding.place.removeprefix(FILE).removeprefix(": ")
    file = locate(place, live.context.config_loader, live.env, live.project.path)
    return msgspec.structs.replace(finding, place=f"{file}: {place}" if place else file)


def ineffective_entries(live: LiveProject, manifest: Manifest) -> list[Ineffective]:
    """Return the entries of `dagster.yml` that a manifest lacks, or that nobody reads."""
    return list(find_ineffective(read_file(live.context.config_loader), manifest.orchestration))


class LiveProject(msgspec.Struct, frozen=True, kw_only=True):
    """A loaded project: what a manifest is made of."""

    project: OpenedProject
    context: KedroContext
    pipelines: dict[str, KedroPipeline]
    env: str | None = None
    runtime_params: dict[str, Any] = {}
    blocked_plugins: list[str] = []
    """What `dagster.yml` lets no session register."""

    @property
    def hook_manager(self) -> PluginManager:
        """What is registered for the project's sessions."""
        manager: PluginManager = self.context._hook_manager  # noqa: SLF001 - there is no other way
        return manager


def open_live_project(
    project_path: Path | None = None,
    *,
    package_name: str | None = None,
    env: str | None = None,
    conf_source: str | None = None,
    runtime_params: dict[str, Any] | None = None,
    pipelines: Iterable[str] | None = None,
) -> LiveProject:
    """Load a project and the chosen ones of its pipelines (see `export_project`)."""
    project = open_project(project_path, package_name)
    loader = make_config_loader(project, env, conf_source, runtime_params)
    blocked = read_blocked_plugins(loader)
    context = load_context(project, env, conf_source, runtime_params, blocked=blocked)
    chosen = _choose(load_pipelines(project), pipelines)
    env = env or os.environ.get("KEDRO_ENV")
    return LiveProject(
        project=project,
        context=context,
        pipelines=chosen,
        env=env,
        runtime_params=runtime_params or {},
        blocked_plugins=blocked,
    )


def describe_project(
    live: LiveProject, *, parameter_values: bool = True, probe: bool = True
) -> Manifest:
    """Return the manifest of a loaded project; whether its nodes have an order is not asked.

    Args:
        live: The project.
        parameter_values: False leaves the parameters' default values out.
        probe: False leaves out which pipelines Kedro can load alone.
    """
    sources = SourceReader(live.project.path)
    nodes = _describe_nodes(live.pipelines, sources)
    loader = live.context.config_loader
    catalog = read_config(loader, "catalog", required=True)
    orchestration = make_public(read_file(loader))
    datasets = _describe_datasets(live, catalog, nodes)
    manifest = Manifest(
        project=Project(
            name=live.project.name,
            package_name=live.project.package_name,
            kedro_version=kedro.__version__,
            python_version=".".join(platform.python_version_tuple()[:2]),
            env=live.env,
        ),
        pipelines=_describe_pipelines(live.pipelines, probe=probe),
        nodes=nodes,
        datasets=_doubt_datasets(datasets, live.pipelines, sources, _backend(orchestration)),
        parameters=describe_parameters(read_config(loader, "parameters"), values=parameter_values),
        parameter_values=parameter_values,
        runtime_parameters=find_runtime_parameters(loader, live.env),
        given_parameters=public_json(live.runtime_params) if parameter_values else {},
        hooks=describe_hooks(live.hook_manager),
        orchestration=orchestration,
    )
    public = scrub_manifest(manifest, known_secrets(read_config(loader, "credentials"), catalog))
    return msgspec.structs.replace(public, content_hash=content_hash(public))


def _describe_datasets(
    live: LiveProject, catalog_config: Mapping[str, Any], nodes: list[Node]
) -> list[Dataset]:
    """Return what the configuration says of each dataset, and what hooks have added to it."""
    entries = CatalogEntries(catalog_config)
    described = entries.describe(_dataset_names(nodes))
    in_memory = [dataset.name for dataset in described if dataset.kind == "memory"]
    try:
        catalog = (
            catalog_of_own_hooks(live.context, blocked=live.blocked_plugins) if in_memory else None
        )
        found = (
            added_datasets(catalog, in_memory, entries, live.project.path)
            if catalog is not None
            else ()
        )
        added = {dataset.name: dataset for dataset in found}
    except Exception as error:  # noqa: BLE001 - hooks are anybody's code
        logger.warning(
            "Cannot tell what the project's own hooks add to the catalog: %s. What they add "
            "counts as data in memory; give it an entry in the catalog if it is persisted.",
            redact_text(first_line(error)),
        )
        added = {}
    return [added.get(dataset.name, dataset) for dataset in described]


def _describe_pipelines(chosen: Mapping[str, KedroPipeline], *, probe: bool) -> list[Pipeline]:
    alone = probe_registry(chosen) if probe else {}
    return [
        Pipeline(
            name=name,
            nodes=sorted({node.name for node in pipeline.nodes}),
            loads_alone=alone.get(name),
        )
        for name, pipeline in sorted(chosen.items())
    ]


def _doubt_datasets(
    datasets: list[Dataset],
    pipelines: Mapping[str, KedroPipeline],
    sources: SourceReader,
    backend: str,
) -> list[Dataset]:
    """Say of what is in memory why it can hardly be pickled, as far as its node tells."""
    in_memory = {dataset.name for dataset in datasets if dataset.kind == "memory"}
    doubts: dict[str, str | None] = {}
    for node in {node.name: node for each in pipelines.values() for node in each.nodes}.values():
        for name in in_memory.intersection(node.outputs):
            text = sources.read(node.func).text
            doubts[name] = doubt_output(node.func, text, node.outputs, name, backend)
    return [
        msgspec.structs.replace(dataset, unpicklable=doubts[dataset.name])
        if doubts.get(dataset.name)
        else dataset
        for dataset in datasets
    ]


def _backend(orchestration: dict[str, Any]) -> str:
    try:
        return read_orchestration(orchestration).store.backend
    except OrchestrationError:
        return Store().backend  # Told where somebody uses it, and by `check`.


def _choose(
    registered: dict[str, KedroPipeline], wanted: Iterable[str] | None
) -> dict[str, KedroPipeline]:
    # The registry is loaded whole all the same: asked for one name, a registry that is
    # composed of its own entries fails.
    names = list(wanted or registered)
    for name in names:
        if name not in registered:
            near = get_close_matches(name, registered) or sorted(registered)
            raise UnknownNameError(
                f"Cannot export pipeline '{name}': the project does not register it. "
                f"Choose from {', '.join(map(repr, near))}."
            )
    return {name: registered[name] for name in names}


def _describe_nodes(chosen: Mapping[str, KedroPipeline], sources: SourceReader) -> list[Node]:
    """Return each node once; the same node may carry other tags in another pipeline."""
    seen: dict[str, tuple[str, Node]] = {}
    known: set[int] = set()
    for pipeline_name in sorted(chosen):
        for kedro_node in chosen[pipeline_name].nodes:
            if id(kedro_node) in known:
                continue
            known.add(id(kedro_node))
            node = _describe_node(kedro_node, sources)
            first_pipeline, first = seen.setdefault(node.name, (pipeline_name, node))
            tags = sorted({*first.tags, *node.tags})
            if msgspec.structs.replace(first, tags=node.tags) != node:
                raise _duplicate(first, first_pipeline, node, pipeline_name)
            seen[node.name] = (first_pipeline, msgspec.structs.replace(first, tags=tags))
    return [seen[name][1] for name in sorted(seen)]


def _describe_node(node: KedroNode, sources: SourceReader) -> Node:
    source = sources.read(node.func)
    return Node(
        name=node.name,
        function=source.function,
        namespace=node.namespace,
        tags=sorted(node.tags),
        inputs=[name for name in node.inputs if not _is_parameter(name)],
        parameters=[name for name in node.inputs if _is_parameter(name)],
        outputs=list(node.outputs),
        confirms=list(node.confirms),
        doc=source.doc,
        source=source.location,
        source_hash=source.hash,
    )


def _duplicate(first: Node, first_pipeline: str, other: Node, other_pipeline: str) -> Exception:
    differing = [
        field
        for field in ("function", "inputs", "parameters", "outputs", "confirms", "namespace")
        if getattr(first, field) != getattr(other, field)
    ]
    return DuplicateNameError(
        f"Cannot export node '{first.name}': pipelines '{first_pipeline}' and '{other_pipeline}' "
        f"each have a node of that name, with different {', '.join(differing) or 'source'}. "
        "Rename one, or export only the pipelines that belong together "
        "(`kedro pipes export --pipeline NAME`)."
    )


def _is_parameter(name: str) -> bool:
    return name == "parameters" or name.startswith("params:")


def _dataset_names(nodes: Iterable[Node]) -> set[str]:
    return {name for node in nodes for name in (*node.inputs, *node.outputs, *node.confirms)}
