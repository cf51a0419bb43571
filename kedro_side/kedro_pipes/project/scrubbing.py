"""Replace known secrets in a finished manifest: belt and braces behind the allow-lists.

Knows the manifest and what resolved to a secret; nothing of how either was made.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from kedro_manifest.model import Dataset, Manifest, Node, Parameter

from kedro_pipes.project.catalog_entries import inline_credentials
from kedro_pipes.project.redaction import SecretScrubber, is_secret_key, redact_text, string_leaves

_WORKING_DIRECTORIES = frozenset({"PWD", "OLDPWD"})
"""Every shell sets them, and to it `pwd` is no password."""


def known_secrets(
    credentials: Mapping[str, Any], catalog: Mapping[str, Any]
) -> Iterable[tuple[str, str]]:
    """Resolved credentials, and what the environment calls a secret."""
    yield from string_leaves(credentials)
    for inline in inline_credentials(catalog):
        yield from string_leaves(inline, "credentials")
    yield from (
        (key, value)
        for key, value in os.environ.items()
        if is_secret_key(key) and key not in _WORKING_DIRECTORIES
    )


def scrub_manifest(manifest: Manifest, secrets: Iterable[tuple[str, str]]) -> Manifest:
    """Replace known secrets in all that is not a name.

    Names come from the code and from the catalog's keys, and both sides refer by them.
    """
    scrubber = SecretScrubber(secrets, _names(manifest))
    return msgspec.structs.replace(
        manifest,
        nodes=[_scrub_node(node, scrubber) for node in manifest.nodes],
        datasets=[_scrub_dataset(dataset, scrubber) for dataset in manifest.datasets],
        parameters=[_scrub_parameter(parameter, scrubber) for parameter in manifest.parameters],
        orchestration=scrubber.json(manifest.orchestration),
    )


def _names(manifest: Manifest) -> Iterable[str]:
    yield from (manifest.project.name, manifest.project.package_name)
    yield from (pipeline.name for pipeline in manifest.pipelines)
    yield from (dataset.name for dataset in manifest.datasets)
    for node in manifest.nodes:
        yield from (node.name, *node.tags)


def _scrub_node(node: Node, scrubber: SecretScrubber) -> Node:
    doc = scrubber.text(redact_text(node.doc)) if node.doc else None
    return msgspec.structs.replace(node, doc=doc)


def _scrub_dataset(dataset: Dataset, scrubber: SecretScrubber) -> Dataset:
    return msgspec.structs.replace(
        dataset,
        uri=scrubber.text(dataset.uri) if dataset.uri else None,
        layer=scrubber.text(dataset.layer) if dataset.layer else None,
        metadata=scrubber.json(dataset.metadata),
        unpicklable=scrubber.text(dataset.unpicklable) if dataset.unpicklable else None,
    )


def _scrub_parameter(parameter: Parameter, scrubber: SecretScrubber) -> Parameter:
    return msgspec.structs.replace(parameter, value=scrubber.json(parameter.value))
