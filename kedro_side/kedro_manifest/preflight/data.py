"""Findings on datasets, one by one and in pairs: places, versions, names, confirmations. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from posixpath import normpath

from kedro_manifest.findings import Finding, Places, list_names
from kedro_manifest.model import Dataset, Manifest
from kedro_manifest.names import strip_transcoding
from kedro_manifest.planning.graph import inputs_of, outputs_of

REMOTE_CLIENTS = frozenset({"docker", "k8s", "ssh"})
"""Clients whose workers need not see the orchestrator's disk, nor each other's."""

LOCAL_PROTOCOLS = frozenset({"file", "local"})

_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_PUNCTUATION = re.compile(r"[\W_]+")


def check_datasets(
    manifest: Manifest, places: Places, clients: Collection[str]
) -> Iterator[Finding]:
    """Yield what is wrong with datasets."""
    yield from _check_local_paths(manifest, places, clients)
    yield from _check_versions(manifest, places)
    yield from _check_names(manifest)
    yield from _check_locations(manifest, places)
    yield from _check_confirmed(manifest, places)


def _check_local_paths(
    manifest: Manifest, places: Places, clients: Collection[str]
) -> Iterator[Finding]:
    remote = sorted(REMOTE_CLIENTS.intersection(clients))
    if not remote:
        return
    by_entry: dict[str, list[Dataset]] = {}
    for dataset in manifest.datasets:
        if dataset.uri is not None and dataset.protocol in LOCAL_PROTOCOLS:
            by_entry.setdefault(places.dataset(dataset), []).append(dataset)
    for place, datasets in sorted(by_entry.items()):
        yield Finding(
            severity="warning",
            code="local-path",
            place=place,
            message=f"{list_names(each.name for each in datasets)}: '{datasets[0].uri}' is a local "
            f"path, and {list_names(remote, quote=False)} workers do not share a disk by themselves.",
            cure="Use a location that every worker reaches, such as s3://…, or mount the folder "
            "into each of them.",
        )


def _check_versions(manifest: Manifest, places: Places) -> Iterator[Finding]:
    by_name: dict[str, list[Dataset]] = {}
    for dataset in manifest.datasets:
        by_name.setdefault(strip_transcoding(dataset.name), []).append(dataset)
        if dataset.versioned and dataset.pattern and not _PLACEHOLDER.sub("", dataset.pattern):
            yield Finding(
                severity="warning",
                code="version-pattern",
                place=places.dataset(dataset),
                message=f"'{dataset.name}' is versioned by a pattern that matches every name: "
                "Kedro refuses to load a given version of it, so readers cannot be held to what "
                "this run wrote.",
                cure="Give it an entry or a narrower pattern.",
            )
    for name, forms in sorted(by_name.items()):
        versioned = [form for form in forms if form.versioned]
        if len(forms) > 1 and versioned:
            mixed = len(versioned) < len(forms)
            yield Finding(
                severity="error" if mixed else "warning",
                code="version-transcoded",
                place=places.dataset(versioned[0]),
                message=f"{list_names(form.name for form in forms)} are one dataset, and "
                + (
                    f"only {list_names(form.name for form in versioned)} is versioned: the others "
                    "look elsewhere."
                    if mixed
                    else "versioned: each form is held to a version by its own name."
                ),
                cure=f"Set `versioned` alike for all forms of '{name}'"
                + ("." if mixed else ", or leave it out."),
            )


def _check_names(manifest: Manifest) -> Iterator[Finding]:
    kinds = {
        "dataset": {strip_transcoding(dataset.name) for dataset in manifest.datasets},
        "node": {node.name for node in manifest.nodes},
    }
    for kind, names in kinds.items():
        alike: dict[str, list[str]] = {}
        for name in sorted(names):
            alike.setdefault(_PUNCTUATION.sub("", name.casefold()), []).append(name)
        for same in alike.values():
            if len(same) > 1:
                yield Finding(
                    severity="warning",
                    code="similar-names",
                    place=f"{kind} '{same[0]}'",
                    message=f"The {kind}s {list_names(same)} differ in punctuation or case only.",
                    cure="Rename one, or make sure that both are meant.",
                )


def _check_locations(manifest: Manifest, places: Places) -> Iterator[Finding]:
    """Find data that has two names: neither Kedro nor Dagster sees an edge there."""
    written = {name for node in manifest.nodes for name in outputs_of(node)}
    by_uri: dict[str, dict[str, Dataset]] = {}
    for dataset in manifest.datasets:
        if dataset.uri:
            named = by_uri.setdefault(_normal_uri(dataset.uri), {})
            named.setdefault(strip_transcoding(dataset.name), dataset)
    for named in by_uri.values():
        writing = sorted(named.keys() & written)
        if len(named) > 1 and writing and not _is_ordered(manifest, named, writing):
            yield Finding(
                severity="error" if len(writing) > 1 else "warning",
                code="same-uri",
                place=places.dataset(named[writing[0]]),
                message=f"{list_names(sorted(named))} are all at '{named[writing[0]].uri}', and "
                f"{list_names(writing)} is written there: nothing says in which order.",
                cure="Use one name, with transcoding (`name@pandas`) where formats differ.",
            )


def _is_ordered(manifest: Manifest, named: Collection[str], writing: list[str]) -> bool:
    """Tell whether all who read the other names wait for the one writer, by whatever datasets."""
    writers = {name: node.name for node in manifest.nodes for name in outputs_of(node)}
    inputs = {node.name: inputs_of(node) for node in manifest.nodes}
    readers = {node for node, read in inputs.items() if set(read) & set(named) - {writing[0]}}
    return len(writing) == 1 and all(
        writers[writing[0]] in _nodes_before(node, inputs, writers) for node in readers
    )


def _nodes_before(
    node: str, inputs: Mapping[str, list[str]], writers: Mapping[str, str]
) -> set[str]:
    before: set[str] = set()
    waiting = [node]
    while waiting:
        direct = {writers[name] for name in inputs[waiting.pop()] if name in writers} - before
        before |= direct
        waiting += direct
    return before


def _normal_uri(uri: str) -> str:
    scheme, separator, path = uri.rpartition("://")
    return f"{scheme}{separator}{normpath(path)}"


def _check_confirmed(manifest: Manifest, places: Places) -> Iterator[Finding]:
    entries = {dataset.name: dataset for dataset in manifest.datasets}
    confirmed = {strip_transcoding(name) for node in manifest.nodes for name in node.confirms}
    for node in manifest.nodes:
        for name in node.confirms:
            if name in entries and not _is_incremental(entries[name]):
                yield Finding(
                    severity="warning",
                    code="confirm",
                    place=places.node(node.name),
                    message=f"Node '{node.name}' confirms '{name}', a {entries[name].type}, which "
                    "may have nothing to confirm: Kedro then fails after the node has run.",
                    cure="Confirm an IncrementalDataset, or leave `confirms` out.",
                )
    read = {name for node in manifest.nodes for name in node.inputs}
    for name in sorted(read & entries.keys()):
        if _is_incremental(entries[name]) and strip_transcoding(name) not in confirmed:
            yield Finding(
                severity="warning",
                code="never-confirmed",
                place=places.dataset(entries[name]),
                message=f"'{name}' is incremental, and no node confirms it: every run reads all "
                "partitions again.",
                cure=f"Give the node that is done with it `confirms='{name}'`.",
            )


def _is_incremental(dataset: Dataset) -> bool:
    return "Incremental" in dataset.type.rpartition(".")[2]


def local_path(uri: str) -> str:
    """Return the path that a local URI stands for."""
    return uri.partition("://")[2] if "://" in uri else uri


def is_local_url(url: str) -> bool:
    """Tell whether an fsspec URL is a path of the worker's own machine."""
    scheme, mark, _ = url.partition("://")
    return not mark or scheme in LOCAL_PROTOCOLS
