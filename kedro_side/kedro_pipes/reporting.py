"""The one hook class that turns what Kedro does into messages for Dagster.

Kedro has no hook for "this node is finished": `after_node_run` precedes saving, a generator
node saves chunk by chunk, and confirming comes last. With the sequential runner a node is
finished when the next one begins or the run returns, so that is when it is reported.
"""

from __future__ import annotations

import inspect
import os
import threading
import time
import traceback
from typing import Any, Protocol

from kedro.framework.hooks import hook_impl
from kedro.pipeline.node import Node
from kedro_manifest.events import (
    DatasetLoaded,
    DatasetSaved,
    Event,
    NodeFailed,
    NodeFinished,
    NodeStarted,
)
from kedro_manifest.invocation import Invocation
from kedro_manifest.names import strip_transcoding

from kedro_pipes.describe import PipesMetadata, describe_saved, value


class Reports(Protocol):
    """Where reports go: Dagster Pipes, or a terminal when a worker is run by hand."""

    def event(self, event: Event) -> None:
        """Report one of our events."""

    def materialization(self, asset_key: str, metadata: PipesMetadata) -> None:
        """Report that a selected asset is saved; the key is escaped as Pipes wants it."""


class NodeProgress:
    """What is known of a node that has begun."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.phase = "load"
        self.dataset: str | None = None
        self.began_s = time.perf_counter()
        self.spent_s = {"load": 0.0, "compute": 0.0, "save": 0.0}
        self.unsaved_chunks: dict[str, tuple[Any, float]] = {}

    def enter(self, phase: str, dataset: str | None) -> None:
        """Start the clock of a phase."""
        self.phase, self.dataset, self.began_s = phase, dataset, time.perf_counter()

    def leave(self) -> float:
        """Stop the clock; return the seconds since `enter`."""
        seconds = time.perf_counter() - self.began_s
        self.spent_s[self.phase] += seconds
        self.dataset = None
        return seconds


class NodeReporter:
    """Kedro hooks that report nodes and datasets as they come and go."""

    def __init__(self, invocation: Invocation, reports: Reports) -> None:
        self._invocation = invocation
        self._reports = reports
        self._catalog: Any = None
        self._progress: NodeProgress | None = None
        # Asynchronous loading fires the dataset hooks in pool threads.
        self._lock = threading.RLock()

    @property
    def current_node(self) -> str | None:
        """Name of the node that is running."""
        progress = self._progress
        return progress.node.name if progress else None

    @hook_impl
    def after_catalog_created(self, catalog: Any) -> None:
        """Keep the catalog, which knows versions."""
        self._catalog = catalog

    @hook_impl(tryfirst=True)
    def before_dataset_loaded(self, dataset_name: str, node: Node) -> None:
        """Start the clock."""
        with self._lock:
            self._begin(node).enter("load", dataset_name)

    @hook_impl(tryfirst=True)
    def after_dataset_loaded(self, dataset_name: str, node: Node) -> None:
        """Report a loaded dataset; parameters are loaded too, but nobody waits for them."""
        with self._lock:
            seconds = self._begin(node).leave()
        if not _is_parameter(dataset_name):
            event = DatasetLoaded(node=node.name, dataset=dataset_name, duration_s=seconds)
            self._reports.event(event)

    @hook_impl(trylast=True)
    def before_node_run(self, node: Node) -> None:
        """Start the clock after every other hook has had its say."""
        with self._lock:
            self._begin(node).enter("compute", None)

    @hook_impl(tryfirst=True)
    def after_node_run(self, node: Node) -> None:
        """Stop the clock; the outputs are not saved yet."""
        with self._lock:
            self._begin(node).leave()

    @hook_impl(trylast=True)
    def before_dataset_saved(self, dataset_name: str, node: Node) -> None:
        """Start the clock."""
        with self._lock:
            self._begin(node).enter("save", dataset_name)

    @hook_impl(tryfirst=True)
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """Report a saved dataset, or keep it until the last chunk of a generator node."""
        with self._lock:
            progress = self._begin(node)
            seconds = progress.leave()
            if inspect.isgeneratorfunction(node.func):
                earlier_s = progress.unsaved_chunks.get(dataset_name, (None, 0.0))[1]
                progress.unsaved_chunks[dataset_name] = (data, earlier_s + seconds)
                return
            self._report_saved(progress, dataset_name, data, seconds)

    def finish(self) -> None:
        """Report the last node as finished, once the session's run has returned."""
        with self._lock:
            progress, self._progress = self._progress, None
            if progress is not None:
                self._report_finished(progress)

    def fail(self, error: BaseException) -> None:
        """Report which node failed, and while doing what."""
        with self._lock:
            progress, self._progress = self._progress, None
        if progress is None:
            return
        self._reports.event(
            NodeFailed(
                node=progress.node.name,
                phase=progress.phase,
                dataset=progress.dataset,
                error_type=type(error).__qualname__,
                message=str(error),
                traceback="".join(traceback.format_exception(error)),
            )
        )

    def _begin(self, node: Node) -> NodeProgress:
        progress = self._progress
        if progress is not None and progress.node is node:
            return progress
        self.finish()
        self._progress = NodeProgress(node)
        self._reports.event(NodeStarted(node=node.name))
        return self._progress

    def _report_finished(self, progress: NodeProgress) -> None:
        for name, (data, seconds) in progress.unsaved_chunks.items():
            # The last chunk is not the whole, so it is not described by its rows.
            described = describe_saved(self._dataset(name), None) if data is not None else {}
            self._send_saved(progress, name, described, seconds)
        self._reports.event(
            NodeFinished(
                node=progress.node.name,
                load_s=progress.spent_s["load"],
                compute_s=progress.spent_s["compute"],
                save_s=progress.spent_s["save"],
            )
        )
        if progress.node.name in self._invocation.node_assets:
            key = self._invocation.node_assets[progress.node.name]
            self._reports.materialization(key, self._node_metadata(progress))

    def _report_saved(self, progress: NodeProgress, name: str, data: Any, seconds: float) -> None:
        self._send_saved(progress, name, describe_saved(self._dataset(name), data), seconds)

    def _send_saved(
        self, progress: NodeProgress, name: str, described: PipesMetadata, seconds: float
    ) -> None:
        if name in self._invocation.staged:
            described["kedro/staged_at"] = value("text", self._invocation.staged[name])
        version = described.get("kedro/version", {}).get("raw_value")
        self._reports.event(
            DatasetSaved(
                node=progress.node.name,
                dataset=name,
                duration_s=seconds,
                version=version,
                metadata=described,
            )
        )
        asset_key = self._invocation.dataset_assets.get(strip_transcoding(name))
        if asset_key is not None:
            metadata = {**described, **self._node_metadata(progress)}
            self._reports.materialization(asset_key, metadata)

    def _dataset(self, name: str) -> Any:
        """Return the catalog's dataset object; Kedro before 1.0 had no public way to it."""
        catalog = self._catalog
        if catalog is None:
            return None
        getter = getattr(catalog, "get", None) or getattr(catalog, "_get_dataset", None)
        return getter(name) if getter and name in catalog else None

    def _node_metadata(self, progress: NodeProgress) -> PipesMetadata:
        spent_s = progress.spent_s
        return {
            "kedro/node": value("text", progress.node.name),
            "kedro/run_id": value("text", self._invocation.kedro_run_id),
            "kedro/process_id": value("int", os.getpid()),
            "kedro/load_s": value("float", round(spent_s["load"], 6)),
            "kedro/compute_s": value("float", round(spent_s["compute"], 6)),
            "kedro/save_s": value("float", round(spent_s["save"], 6)),
        }


def _is_parameter(name: str) -> bool:
    return name == "parameters" or name.startswith("params:")
