"""Findings on local paths and a local store that workers elsewhere do not see. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import dirname

import msgspec

from kedro_manifest.findings import Finding, Places, list_names
from kedro_manifest.model import Dataset
from kedro_manifest.names import strip_transcoding
from kedro_manifest.orchestration.clients import DockerClient, K8sClient, SshClient
from kedro_manifest.planning.graph import PipelineGraph, inputs_of, outputs_of
from kedro_manifest.preflight.data import LOCAL_PROTOCOLS, is_local_url, local_path
from kedro_manifest.preflight.entries import ORCHESTRATION_FILE
from kedro_manifest.preflight.placed import (
    PlacedGroup,
    Surroundings,
    elsewhere_by_client,
    name_groups,
)
from kedro_manifest.preflight.sight import Seen

_OBJECT_STORE = "a location that every worker reaches, such as s3://…"
_INHERITED = (
    "Nothing is needed where the code location's container context brings one, as the chart's "
    "`persistence` does."
)
_FATES: dict[type, tuple[str, str]] = {
    DockerClient: ("is gone with the container", "the image"),
    K8sClient: ("is gone with the pod", "the image"),
    SshClient: ("stays on one of them", "each of them"),
}
"""What becomes of what is saved where nothing is shared, and what may hold what is read there."""


class _Use(msgspec.Struct, frozen=True, kw_only=True):
    """A group that reads or writes a local path."""

    dataset: Dataset
    placed: PlacedGroup
    seen: Seen
    writes: bool
    is_made: bool
    """Whether some node writes it, under whatever format."""


def check_paths(
    graph: PipelineGraph, placed: list[PlacedGroup], places: Places, around: Surroundings
) -> Iterator[Finding]:
    """Find local paths that workers do not see, or see somewhere else than who writes them."""
    uses = list(_uses(graph, placed, around))
    for place in sorted({places.dataset(each.dataset) for each in uses}):
        of_entry = [each for each in uses if places.dataset(each.dataset) == place]
        found = [
            finding
            for name, groups in elsewhere_by_client([each.placed for each in of_entry])
            for finding in _check_path(
                place, name, [each for each in of_entry if each.placed in groups]
            )
        ]
        yield from found or _check_one_place(place, of_entry)


def _uses(graph: PipelineGraph, placed: list[PlacedGroup], around: Surroundings) -> Iterator[_Use]:
    datasets = {each.name: each for each in graph.manifest.datasets}
    for each in placed:
        nodes = [graph.nodes[name] for name in each.group.nodes]
        written = {name for node in nodes for name in (*node.outputs, *node.confirms)}
        for name in sorted(written.union(*(node.inputs for node in nodes))):
            dataset = datasets.get(name)
            if dataset is None or dataset.uri is None or dataset.protocol not in LOCAL_PROTOCOLS:
                continue
            seen = each.see(local_path(dataset.uri), around)
            if seen is not None:
                yield _Use(
                    dataset=dataset,
                    placed=each,
                    seen=seen,
                    writes=name in written,
                    is_made=strip_transcoding(name) in graph.producers,
                )


def _check_path(place: str, client: str, uses: list[_Use]) -> Iterator[Finding]:
    """Find what the workers of one client do not see, or cannot write to."""
    lost = [each for each in uses if each.seen.source is None]
    fixed = [each for each in uses if each.seen.read_only and each.writes]
    if lost:
        first = lost[0]
        is_new = any(each.writes or each.is_made for each in lost)
        yield Finding(
            severity="error" if is_new and first.seen.is_certain else "warning",
            code="local-path",
            place=place,
            message=f"{_datasets(lost)}: '{first.dataset.uri}' is a local path, and "
            f"{_lacking(first.placed)} {first.seen.path} ({_groups(lost)}). {_outcome(lost)}",
            cure=_cure(client, first),
        )
    elif fixed:
        yield Finding(
            severity="error",
            code="local-path",
            place=place,
            message=f"{_datasets(fixed)}: the mount of client '{client}' that has "
            f"{fixed[0].seen.path} is read-only, and it is written ({_groups(fixed)}).",
            cure=f"Leave `read_only` out of that mount under `clients.{client}`, or use "
            f"{_OBJECT_STORE}.",
        )


def _outcome(lost: list[_Use]) -> str:
    kept, holder = _FATES[type(lost[0].placed.client)]
    if any(each.writes for each in lost):
        return f"What is saved there {kept}."
    if any(each.is_made for each in lost):
        return "What other groups save is not there."
    return f"It is there only if {holder} holds it."


def _lacking(placed: PlacedGroup) -> str:
    name = placed.name
    if isinstance(placed.client, SshClient):
        return f"no folder that the hosts of client '{name}' share has"
    if isinstance(placed.client, K8sClient):
        return f"no volume that `dagster.yml` mounts for client '{name}' has"
    return f"no mount of client '{name}' has"


def _cure(client: str, use: _Use) -> str:
    if isinstance(use.placed.client, SshClient):
        return _share_cure(client)
    return _mount_cure(client, use)


def _share_cure(client: str) -> str:
    return (
        f"Name the folder in `clients.{client}.shared_dirs` if they all mount it, or use "
        f"{_OBJECT_STORE}."
    )


def _mount_cure(client: str, use: _Use) -> str:
    path = use.seen.path
    folder = path if use.dataset.kind == "partitioned" else dirname(path)
    if isinstance(use.placed.client, K8sClient):
        inherited = f" {_INHERITED}" if _may_be_inherited(use.placed, use.seen) else ""
        return (
            f"Mount a volume at {folder}, by `volumes` and `volume_mounts` in `clients.{client}.pod`, "
            f"or use {_OBJECT_STORE}.{inherited}"
        )
    is_whole = local_path(use.dataset.uri or "").startswith("/")
    project = "" if is_whole or _mounts_project(use) else "set `mount_project: true`, "
    return (
        f"Mount the folder, `{{source: …, target: {folder}}}` in `clients.{client}.mounts`, {project}"
        f"or use {_OBJECT_STORE}."
    )


def _may_be_inherited(placed: PlacedGroup, seen: Seen) -> bool:
    """Tell whether Dagster's own settings may bring a volume to where a pod has none."""
    is_pod = isinstance(placed.client, K8sClient)
    return is_pod and seen.source is None and not seen.is_certain


def _mounts_project(use: _Use) -> bool:
    return isinstance(use.placed.client, DockerClient) and use.placed.client.mount_project


def _check_one_place(place: str, uses: list[_Use]) -> Iterator[Finding]:
    """Find a dataset that some workers have at another place than those that write it."""
    for dataset in {each.dataset.name: each.dataset for each in uses}.values():
        of_it = [each for each in uses if each.dataset.uri == dataset.uri]
        if not any(each.writes for each in of_it):
            continue
        sources = {str(each.seen.source): each for each in of_it}
        if len(sources) > 1:
            yield Finding(
                severity="warning",
                code="local-path",
                place=place,
                message=f"'{dataset.name}' is not at one place: {_sources(sources)}.",
                cure=f"Give their clients the same source for it, or use {_OBJECT_STORE}.",
            )
            return


def _sources(sources: dict[str, _Use]) -> str:
    return ", ".join(
        f"group '{each.placed.group.name}' (client '{each.placed.name}') has {source}"
        for source, each in sorted(sources.items())
    )


def check_store(
    graph: PipelineGraph,
    url: str,
    staged: list[str],
    placed: list[PlacedGroup],
    around: Surroundings,
) -> Iterator[Finding]:
    """Find a store for staged data that the workers do not share."""
    if not is_local_url(url):
        return
    touching = [
        each
        for each in placed
        if not set(staged).isdisjoint(
            name
            for node in each.group.nodes
            for name in (*inputs_of(graph.nodes[node]), *outputs_of(graph.nodes[node]))
        )
    ]
    seen = [(each, each.see(local_path(url), around)) for each in touching]
    problem = _problem_of_store([(each, how) for each, how in seen if how is not None])
    if problem and any(each.is_elsewhere for each in touching):
        is_open = any(how is not None and _may_be_inherited(each, how) for each, how in seen)
        yield Finding(
            severity="warning" if is_open else "error",
            code="store-local",
            place=f"{ORCHESTRATION_FILE}: store.url",
            message=f"{list_names(staged)} would be staged in '{url}', and {problem}.",
            cure="Set `store: {url: s3://…}` to a place that every worker reaches, or mount one "
            "folder for it into all of them (`mounts`, `pod`, `shared_dirs`)."
            + (f" {_INHERITED}" if is_open else ""),
        )


def _problem_of_store(seen: list[tuple[PlacedGroup, Seen]]) -> str | None:
    for each, how in seen:
        if how.source is None:
            return f"{_lacking(each)} {how.path} (group '{each.group.name}')"
        if how.read_only:
            return f"the mount of client '{each.name}' that has {how.path} is read-only"
    sources = {str(how.source): each for each, how in seen}
    if len(sources) > 1:
        said = (f"client '{each.name}' has {source}" for source, each in sorted(sources.items()))
        return f"that is not one place: {', '.join(said)}"
    return None


def _datasets(uses: list[_Use]) -> str:
    return list_names(dict.fromkeys(each.dataset.name for each in uses))


def _groups(uses: list[_Use]) -> str:
    return name_groups([each.placed for each in uses])
