"""The Dagster side: assets from a Kedro manifest, each group of nodes run by a worker elsewhere.

Imports dagster; never kedro.
"""

from kedro_manifest.events import (
    DatasetLoaded,
    DatasetLoading,
    DatasetSaved,
    DatasetSaving,
    MlflowRunStarted,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    PartitionsSaved,
    WorkerStarted,
)
from kedro_manifest.orchestration.jobs import PipelineFilter

from dagster_kedro.assets.multi_assets import (
    build_kedro_asset_selection,
    build_kedro_asset_specs,
    get_asset_key_for_dataset,
    kedro_assets,
)
from dagster_kedro.assets.op_settings import KedroOpSpec
from dagster_kedro.assets.translator import DagsterKedroTranslator, KedroAsset
from dagster_kedro.clients.base import KedroClient
from dagster_kedro.clients.ssh import KedroSshClient
from dagster_kedro.clients.stock import KedroStockClient, StockLaunch
from dagster_kedro.clients.subprocess import KedroSubprocessClient
from dagster_kedro.component.project_component import KedroProjectComponent
from dagster_kedro.definitions import build_definitions
from dagster_kedro.launchpad import launchpad_resource
from dagster_kedro.project import KedroProject
from dagster_kedro.resource import KedroPipesResource
from dagster_kedro.running.telling import KedroEvent, StepProgress

__all__ = [
    "DagsterKedroTranslator",
    "DatasetLoaded",
    "DatasetLoading",
    "DatasetSaved",
    "DatasetSaving",
    "KedroAsset",
    "KedroClient",
    "KedroEvent",
    "KedroOpSpec",
    "KedroPipesResource",
    "KedroProject",
    "KedroProjectComponent",
    "KedroSshClient",
    "KedroStockClient",
    "KedroSubprocessClient",
    "MlflowRunStarted",
    "NodeFailed",
    "NodeFinished",
    "NodeStarted",
    "PartitionsSaved",
    "PipelineFilter",
    "StepProgress",
    "StockLaunch",
    "WorkerStarted",
    "build_definitions",
    "build_kedro_asset_selection",
    "build_kedro_asset_specs",
    "get_asset_key_for_dataset",
    "kedro_assets",
    "launchpad_resource",
]
