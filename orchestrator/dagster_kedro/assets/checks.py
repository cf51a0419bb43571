"""The asset checks of a project: of the catalog's validators, and of `checks` in `dagster.yml`.

Definition time, and what a step has to know of each. Knows neither files nor processes.
"""

from __future__ import annotations

import warnings
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, Literal

import dagster as dg
import msgspec
from kedro_manifest.invocation import DatasetCheck
from kedro_manifest.model import Dataset, Manifest
from kedro_manifest.names import strip_transcoding
from kedro_manifest.orchestration.checks import CheckSettings
from kedro_manifest.orchestration.root import orchestration_of
from kedro_manifest.settings.checks import (
    NOT_EMPTY,
    VALIDATOR,
    check_check_settings,
    checks_for,
    not_empty_consequence,
)

from dagster_kedro.assets.translator import KedroAsset

# Marked as a preview in Dagster: nothing that a user of ours could act on.
warnings.filterwarnings("ignore", r".*partitions_def on an AssetCheckSpec")


class KedroCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A check that a worker reports."""

    key: dg.AssetCheckKey
    kind: Literal["validator", "not_empty", "reported"]
    dataset: str
    """With its transcoding, save of what node code reports; or the node."""
    blocking: bool
    severity: Literal["ERROR", "WARN"] = "ERROR"
    on_save: bool = True
    """False of a validator that Kedro calls on loading only, or of what nobody saves by that name."""
    gates: bool = False
    """Whether Dagster's own steps wait for it. What reads a dataset that Kedro refuses to load fails by
    itself."""
    description: str | None = None

    def spec(self, partitions_def: dg.PartitionsDefinition[Any] | None) -> dg.AssetCheckSpec:
        """Return what Dagster shows of it."""
        return dg.AssetCheckSpec(
            self.key.name,
            asset=self.key.asset_key,
            description=self.description,
            blocking=self.gates,
            partitions_def=partitions_def,
        )

    def for_worker(self) -> DatasetCheck:
        """Return what a worker is told of it."""
        return DatasetCheck(
            name=self.key.name,
            kind=self.kind,
            dataset=self.dataset,
            asset_key=self.key.asset_key.to_escaped_user_string(),
            blocking=self.blocking,
            severity=self.severity,
            on_save=self.on_save,
        )


def project_checks(
    manifest: Manifest, assets: Mapping[dg.AssetKey, KedroAsset]
) -> dict[dg.AssetCheckKey, KedroCheck]:
    """Return the checks of a project's assets, in their order.

    Raises:
        OrchestrationError: An entry of `checks` cannot be used.
    """
    said = orchestration_of(manifest).checks
    check_check_settings(said)
    validated: dict[str, list[Dataset]] = {}
    for dataset in manifest.datasets:
        if dataset.validator is not None:
            validated.setdefault(strip_transcoding(dataset.name), []).append(dataset)
    saved = {name for node in manifest.nodes for name in node.outputs} if validated else set()
    found: Iterable[KedroCheck] = (
        check
        for key, asset in assets.items()
        for check in (
            *_validators(key, () if asset.is_node else validated.get(asset.name, ()), saved),
            *(_of_settings(key, asset, said) if said else ()),
        )
    )
    return {check.key: check for check in found}


def _validators(
    key: dg.AssetKey, datasets: Iterable[Dataset], saved: Container[str]
) -> Iterator[KedroCheck]:
    for dataset in datasets:
        validator = dataset.validator
        on_save = dataset.name in saved and validator is not None and "save" in validator.on
        if validator is None or not (on_save or "load" in validator.on):
            continue
        is_error = validator.severity == "error"
        modes = " and ".join({"load": "loading", "save": "saving"}[mode] for mode in validator.on)
        suffix = dataset.name.partition("@")[2]
        yield KedroCheck(
            key=dg.AssetCheckKey(key, f"{VALIDATOR}_{suffix}" if suffix else VALIDATOR),
            kind="validator",
            dataset=dataset.name,
            blocking=is_error,
            gates=is_error and on_save,
            severity="ERROR" if is_error else "WARN",
            on_save=on_save,
            description=f"Kedro calls `{validator.class_path}` on {modes} `{dataset.name}`.",
        )


def _of_settings(
    key: dg.AssetKey, asset: KedroAsset, said: Mapping[str, CheckSettings]
) -> Iterator[KedroCheck]:
    if asset.node is None:
        return  # Nothing but validation and age can be told of what no node writes.
    written = {strip_transcoding(name): name for name in asset.node.outputs}
    settings = checks_for(said, asset.name)
    consequence = not_empty_consequence(settings)
    if consequence is not None and not asset.is_node:
        yield KedroCheck(
            key=dg.AssetCheckKey(key, NOT_EMPTY),
            kind="not_empty",
            dataset=written[asset.name],
            blocking=consequence == "block",
            gates=consequence == "block",
            severity="WARN" if consequence == "warn" else "ERROR",
            description="What was saved has rows, items or characters.",
        )
    for name, reported in settings.reported_checks().items():
        yield KedroCheck(
            key=dg.AssetCheckKey(key, name),
            kind="reported",
            dataset=asset.name,
            blocking=reported.blocking,
            gates=reported.blocking,
            description=reported.description,
        )
