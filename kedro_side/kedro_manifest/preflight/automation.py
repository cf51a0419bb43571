"""Findings on what `dagster.yml` says of assets, sensors and observation. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from functools import partial

import msgspec

from kedro_manifest.errors import OrchestrationError
from kedro_manifest.findings import Finding, list_names
from kedro_manifest.orchestration.root import Orchestration, orchestration_of
from kedro_manifest.patterns import is_pattern, matching_names
from kedro_manifest.planning.graph import PipelineGraph, inputs_of
from kedro_manifest.preflight.entries import ORCHESTRATION_FILE, refused
from kedro_manifest.settings.assets import (
    CONDITIONS,
    check_asset_settings,
    check_code_references,
    settings_for,
    unmatched_patterns,
)
from kedro_manifest.settings.catalog_metadata import CATALOG, settings_in_catalog
from kedro_manifest.settings.checks import check_check_settings
from kedro_manifest.settings.free_inputs import choose_observed
from kedro_manifest.settings.sensors import check_sensors


def check_automation(graph: PipelineGraph) -> Iterator[Finding]:
    """Check what happens by itself against the nodes and datasets that there are."""
    try:
        orchestration = orchestration_of(graph.manifest)
    except OrchestrationError:
        return  # A finding of its own.
    yield from refused(lambda: check_asset_settings(orchestration.assets))
    yield from _check_catalog(graph)
    yield from refused(lambda: check_check_settings(orchestration.checks))
    yield from refused(lambda: check_code_references(orchestration.code_references))
    yield from refused(lambda: check_sensors(orchestration, graph))
    yield from refused(lambda: choose_observed(orchestration.observation, graph))
    yield from _check_patterns(graph, orchestration)
    yield from _check_unobserved(graph, orchestration)


def _check_catalog(graph: PipelineGraph) -> Iterator[Finding]:
    for dataset in graph.manifest.datasets:
        for finding in refused(partial(settings_in_catalog, dataset)):
            place = finding.place.replace(ORCHESTRATION_FILE, CATALOG)
            yield msgspec.structs.replace(finding, code="catalog-metadata", place=place)


def _check_patterns(graph: PipelineGraph, orchestration: Orchestration) -> Iterator[Finding]:
    inputs = graph.free_inputs()
    bare = [node.name for node in graph.manifest.nodes if not node.outputs]
    assets = [*graph.producers, *inputs, *bare]
    unmatched = [
        (f"assets.{pattern}", pattern, assets)
        for pattern in unmatched_patterns(orchestration.assets, assets)
    ]
    unmatched += [
        (f"checks.{pattern}", pattern, assets)
        for pattern in unmatched_patterns(orchestration.checks, assets)
    ]
    unmatched += [
        ("observation.datasets", pattern, inputs)
        for pattern in orchestration.observation.datasets or []
        if is_pattern(pattern) and not matching_names(inputs, pattern)
    ]
    for place, pattern, known in unmatched:
        near = get_close_matches(pattern, known)
        yield Finding(
            severity="warning",
            code="unmatched-entry",
            place=f"{ORCHESTRATION_FILE}: {place}",
            message=f"'{pattern}' matches no "
            + ("free input." if place.startswith("observation") else "asset."),
            cure=f"Did you mean {list_names(near)}?" if near else "Take the entry out.",
        )


def _check_unobserved(graph: PipelineGraph, orchestration: Orchestration) -> Iterator[Finding]:
    """Find assets that wait for inputs of which nobody ever tells Dagster that they are there."""
    if orchestration.observation.cron_schedule:
        return
    unobserved = {
        name
        for name in graph.free_inputs()
        if settings_for(orchestration.assets, name).automation in (None, *CONDITIONS)
    }
    waiting = [
        name
        for name, node in graph.producers.items()
        if settings_for(orchestration.assets, name).automation is not None
        and not unobserved.isdisjoint(inputs_of(graph.nodes[node]))
    ]
    if waiting:
        yield Finding(
            severity="warning",
            code="unobserved",
            place=f"{ORCHESTRATION_FILE}: observation",
            message=f"{list_names(waiting)} wait for free inputs, which Dagster takes for missing "
            "until they have been observed, and nothing observes them by itself.",
            cure="Set `observation: {cron_schedule: …}`, or give the inputs `automation: {on_cron: …}`.",
        )
