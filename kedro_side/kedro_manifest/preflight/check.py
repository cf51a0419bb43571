"""What would go wrong, or is not meant, seen from the manifest alone. Pure, no I/O.

Each check yields findings; none raises. What needs the live project (credentials, types,
a store to write to) is checked on the Kedro side.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Literal, get_args

from kedro_manifest.errors import CyclicPipelineError
from kedro_manifest.findings import Finding, Places, list_names, sort_findings
from kedro_manifest.model import Manifest
from kedro_manifest.names import strip_transcoding
from kedro_manifest.planning.graph import PipelineGraph, inputs_of, outputs_of, sort_topologically
from kedro_manifest.preflight.automation import check_automation
from kedro_manifest.preflight.data import REMOTE_CLIENTS, check_datasets
from kedro_manifest.preflight.grouping import (
    check_groups,
    check_orchestration,
    check_partitions,
)
from kedro_manifest.preflight.hooks import check_hooks
from kedro_manifest.preflight.jobs import find_job_problems
from kedro_manifest.preflight.placed import Surroundings

Client = Literal["subprocess", "docker", "k8s", "ssh"]


def check_manifest(
    manifest: Manifest,
    *,
    clients: Collection[str] = (),
    catalog_files: Mapping[str, str] | None = None,
    around: Surroundings | None = None,
) -> list[Finding]:
    """Return what a manifest shows, errors first.

    Args:
        manifest: What was exported; its nodes need not have an order.
        clients: Kinds of clients that run the workers; empty for those that `dagster.yml` names.
        catalog_files: File of each catalog entry, by name or pattern.
        around: What there is around the project, which workers elsewhere may not see.
    """
    places = Places(manifest, catalog_files)
    clients = set(clients or clients_of(manifest))
    seen = None
    known = clients & clients_of(manifest) & REMOTE_CLIENTS
    if known:
        # Of these, `dagster.yml` says what they see.
        clients -= known
        seen = around or Surroundings()
    disorder = [*_check_writers(manifest, places), *_check_order(manifest)]
    findings = [
        *_check_emptiness(manifest),
        *disorder,
        *check_orchestration(manifest),
        *check_datasets(manifest, places, clients),
        *check_hooks(manifest),
    ]
    if not disorder:
        graph = PipelineGraph(manifest)
        findings += _check_inputs(graph, places)
        findings += _check_outputs(graph, places)
        findings += check_groups(graph, places, clients, seen)
        findings += find_job_problems(graph)
        findings += check_partitions(graph)
        findings += check_automation(graph)
    return sort_findings(findings)


def clients_of(manifest: Manifest) -> set[str]:
    """Return the kinds of clients that `dagster.yml` names under `clients`."""
    configured = manifest.orchestration.get("clients")
    entries = configured.values() if isinstance(configured, Mapping) else ()
    kinds = {str(entry.get("type")) for entry in entries if isinstance(entry, Mapping)}
    return kinds & set(get_args(Client)) or {"subprocess"}


def _check_emptiness(manifest: Manifest) -> Iterator[Finding]:
    if not manifest.nodes:
        yield Finding(
            severity="warning",
            code="no-nodes",
            place="pipelines",
            message="No pipeline that is registered has a node, so Dagster gets nothing to make or run.",
            cure="Write a pipeline (`kedro pipeline create NAME`), see that `register_pipelines` returns "
            "it (`kedro registry list`), and check again.",
        )


def _check_writers(manifest: Manifest, places: Places) -> Iterator[Finding]:
    writers: dict[str, list[str]] = {}
    for node in manifest.nodes:
        for dataset in outputs_of(node):
            writers.setdefault(dataset, []).append(node.name)
    for dataset, names in sorted(writers.items()):
        if len(names) > 1:
            yield Finding(
                severity="error",
                code="two-writers",
                place=places.node(names[0]),
                message=f"Dataset '{dataset}' is written by {list_names(names)}: what is in it "
                "depends on which ran last.",
                cure="Give each node an output of its own, or export only the pipelines that "
                "belong together (`--pipeline NAME`).",
            )


def _check_order(manifest: Manifest) -> Iterator[Finding]:
    writer = {name: node.name for node in manifest.nodes for name in outputs_of(node)}
    before = {
        node.name: {writer[name] for name in inputs_of(node) if name in writer}
        for node in manifest.nodes
    }
    try:
        sort_topologically(before)
    except CyclicPipelineError as error:
        yield Finding(
            severity="error",
            code="circle",
            place="nodes",
            message=str(error),
            cure="Give one of the datasets on the circle a name of its own.",
        )


def _check_inputs(graph: PipelineGraph, places: Places) -> Iterator[Finding]:
    entries = {dataset.name: dataset for dataset in graph.manifest.datasets}
    for node in graph.manifest.nodes:
        for name in node.inputs:
            stripped = strip_transcoding(name)
            entry = entries.get(name)
            # An entry of its own, even in memory, may bring its data along.
            described = entry is not None and (entry.kind != "memory" or entry.pattern)
            described = described or places.has_entry(name)
            if stripped in graph.producers or described:
                continue
            near = get_close_matches(name, graph.datasets.keys() - {stripped})
            yield Finding(
                severity="error",
                code="missing-input",
                place=places.node(node.name),
                message=f"Node '{node.name}' reads '{name}', which no node writes and no catalog "
                "entry describes.",
                cure=(f"Did you mean {list_names(near)}? " if near else "")
                + f"Add '{name}' to the catalog, unless a hook provides it.",
            )


def _check_outputs(graph: PipelineGraph, places: Places) -> Iterator[Finding]:
    read = {name for node in graph.manifest.nodes for name in inputs_of(node)}
    for node in graph.manifest.nodes:
        outputs = outputs_of(node)
        lost = [name for name in outputs if graph.is_memory(name) and name not in read]
        if not lost:
            continue
        nothing_left = len(lost) == len(outputs)
        yield Finding(
            severity="warning",
            code="unused-node" if nothing_left else "unread-output",
            place=places.node(node.name),
            message=f"Node '{node.name}' writes {list_names(lost)} to memory, and nobody reads "
            + ("it: nothing of the node's work is kept." if nothing_left else "it."),
            cure="Add it to the catalog, or take it out of the node's outputs.",
        )
