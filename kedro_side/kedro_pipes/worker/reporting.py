"""The one hook class that turns what Kedro does into messages for Dagster.

Kedro has no hook for "this node is finished": `after_node_run` precedes saving, a generator
node saves chunk by chunk, and confirming comes last. With the sequential runner a node is
finished when the next one begins or the run returns, so that is when it is reported. With the
thread runner it is finished when its task returns, which `running` sees.
"""

from __future__ import annotations

import inspect
import os
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from kedro.framework.hooks import hook_impl
from kedro.pipeline.node import Node
from kedro_manifest.events import (
    DatasetLoaded,
    DatasetLoading,
    DatasetSaved,
    DatasetSaving,
    Event,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    PartitionsSaved,
)
from kedro_manifest.invocation import Invocation
from kedro_manifest.names import strip_transcoding

from kedro_pipes.project.catalogs import get_dataset
from kedro_pipes.worker.checks import BlockedByCheckError, DatasetChecks, ReportsChecks
from kedro_pipes.worker.describe import Description, Wanted, describe_saved, saved_partitions
from kedro_pipes.worker.metadata_values import PipesMetadata, value
from kedro_pipes.worker.node_progress import NodeProgress
from kedro_pipes.worker.statements import Said, Statements

VERSION = "kedro/version"

_NODE_OF_THREAD: ContextVar[str | None] = ContextVar("kedro_pipes_node", default=None)


class Reports(ReportsChecks, Protocol):
    """Where reports go: Dagster Pipes, or a terminal when a worker is run by hand."""

    def event(self, event: Event) -> None:
        """Report one of our events."""

    def materialization(
        self, asset_key: str, metadata: PipesMetadata, data_version: str | None = None
    ) -> None:
        """Report that a selected asset is saved; the key is escaped as Pipes wants it."""


class NodeReporter:
    """Kedro hooks that report nodes and datasets as they come and go.

    Hooks fire in threads where the runner has several, or loads and saves in them.

    Args:
        invocation: What the worker runs.
        reports: Where to report it.
        checks: Judges what is loaded and saved.
        of_worker: Returns what else is said of each asset that the worker makes.
    """

    def __init__(
        self,
        invocation: Invocation,
        reports: Reports,
        checks: DatasetChecks,
        of_worker: Callable[[], PipesMetadata] = dict,
    ) -> None:
        self._invocation = invocation
        self._reports = reports
        self._of_worker = of_worker
        self._checks = checks
        self._one_by_one = invocation.runner == "sequential"
        self._catalog: Any = None
        self._begun: dict[str, NodeProgress] = {}
        """Nodes that have begun and are not finished, by name."""
        self._errors: dict[str, BaseException] = {}
        """What each of them has raised, where that is known of each."""
        self._lock = threading.RLock()
        self._wanted = Wanted(
            metadata=invocation.describe,
            previews=invocation.previews,
            version_by=invocation.data_versions,
        )
        self.statements = Statements(invocation, lambda: self.current_node)
        """What nodes say of their outputs."""

    @property
    def current_node(self) -> str | None:
        """Name of the node that is running; of several, that of the thread that asks."""
        if not self._one_by_one:
            return _NODE_OF_THREAD.get()
        begun = list(self._begun)
        return begun[0] if begun else None

    @contextmanager
    def running(self, node: Node) -> Iterator[None]:
        """Watch a node that runs beside others in this thread, up to its confirmations."""
        token = _NODE_OF_THREAD.set(node.name)
        try:
            yield
        except BaseException as error:
            self._errors[node.name] = error
            raise
        else:
            self._finish(self._begin(node))
        finally:
            _NODE_OF_THREAD.reset(token)

    @hook_impl
    def after_catalog_created(self, catalog: Any) -> None:
        """Keep the catalog, which knows versions."""
        self._catalog = catalog

    @hook_impl(tryfirst=True)
    def before_dataset_loaded(self, dataset_name: str, node: Node) -> None:
        """Say what is about to be loaded, unless a check keeps the node from running."""
        self._checks.admit(node)
        progress = self._begin(node)
        if not _is_parameter(dataset_name):
            self._reports.event(DatasetLoading(node=node.name, dataset=dataset_name))
        progress.enter("load", dataset_name)

    @hook_impl(tryfirst=True)
    def after_dataset_loaded(self, dataset_name: str, node: Node) -> None:
        """Report a loaded dataset; parameters are loaded too, but nobody waits for them."""
        seconds = self._begin(node).leave("load", dataset_name)
        if not _is_parameter(dataset_name):
            event = DatasetLoaded(node=node.name, dataset=dataset_name, duration_s=seconds)
            self._reports.event(event)
            self._checks.loaded(dataset_name)

    @hook_impl(trylast=True)
    def before_node_run(self, node: Node) -> None:
        """Start the clock after every other hook has had its say."""
        self._begin(node).enter("compute")

    @hook_impl(tryfirst=True)
    def after_node_run(self, node: Node) -> None:
        """Stop the clock; the outputs are not saved yet."""
        self._begin(node).leave("compute")

    @hook_impl(trylast=True)
    def before_dataset_saved(self, dataset_name: str, node: Node) -> None:
        """Say what is about to be saved, once of a generator node, and start the clock."""
        progress = self._begin(node)
        if dataset_name not in progress.unsaved_chunks:
            self._reports.event(DatasetSaving(node=node.name, dataset=dataset_name))
        progress.enter("save", dataset_name)

    @hook_impl(tryfirst=True)
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """Report a saved dataset, or keep it until the last chunk of a generator node."""
        progress = self._begin(node)
        seconds = progress.leave("save", dataset_name)
        self._report_partitions(progress, dataset_name, data)
        self._checks.written(dataset_name, data)
        if inspect.isgeneratorfunction(node.func):
            earlier_s = progress.unsaved_chunks.get(dataset_name, (None, 0.0))[1]
            progress.unsaved_chunks[dataset_name] = (data, earlier_s + seconds)
            return
        self._report_saved(progress, dataset_name, data, seconds)

    def _report_partitions(self, progress: NodeProgress, name: str, data: Any) -> None:
        if partitions := saved_partitions(self._dataset(name), data):
            progress.partitions.setdefault(name, set()).update(partitions)
            self._reports.event(
                PartitionsSaved(node=progress.node.name, dataset=name, partitions=partitions)
            )

    def finish(self) -> None:
        """Report what is left as finished, once the session's run has returned."""
        for progress in list(self._begun.values()):
            self._finish(progress)

    def fail(self, error: BaseException) -> None:
        """Report which node failed, and while doing what; of several, the run's reason last."""
        if isinstance(error, BlockedByCheckError) and self._one_by_one:
            self.finish()  # The node that is not run comes after what is begun.
        failed = [
            (progress, self._errors.get(name, error))
            for name, progress in self._begun.items()
            if self._one_by_one or name in self._errors
        ]
        self._begun.clear()
        for progress, reason in sorted(failed, key=lambda each: each[1] is error):
            self._report_failed(progress, reason)
        self.statements.lose(progress.node for progress, _ in failed)

    def _begin(self, node: Node) -> NodeProgress:
        with self._lock:
            if node.name in self._begun:
                return self._begun[node.name]
            if self._one_by_one:
                self.finish()
            progress = self._begun[node.name] = NodeProgress(node, alone=self._one_by_one)
            self._reports.event(NodeStarted(node=node.name))
            return progress

    def _finish(self, progress: NodeProgress) -> None:
        self._report_finished(progress)
        with self._lock:
            del self._begun[progress.node.name]

    def _report_failed(self, progress: NodeProgress, error: BaseException) -> None:
        in_hand = progress.in_hand()
        if len(in_hand) > 1:  # saved at the same time: the error quotes its dataset
            quoted = [name for name in in_hand if str(self._dataset(name)) in str(error)]
            in_hand = quoted if len(quoted) == 1 else in_hand
        self._checks.failed(in_hand, error)
        self._reports.event(
            NodeFailed(
                node=progress.node.name,
                phase=progress.phase,
                dataset=in_hand[0] if len(in_hand) == 1 else None,
                among=in_hand if len(in_hand) > 1 else [],
                error_type=type(error).__qualname__,
                error_module=type(error).__module__,
                message=str(error),
                traceback="".join(traceback.format_exception(error)),
            )
        )

    def _report_finished(self, progress: NodeProgress) -> None:
        for name, (data, seconds) in progress.unsaved_chunks.items():
            # The last chunk is not the whole, so it is not described by its rows.
            described = self._describe(progress, name, None) if data is not None else Description()
            self._send_saved(progress, name, described, seconds)
        usage = progress.usage
        self._reports.event(
            NodeFinished(
                node=progress.node.name,
                load_s=progress.spent_s["load"],
                compute_s=progress.spent_s["compute"],
                save_s=progress.spent_s["save"],
                cpu_s=usage.cpu_s() if usage else None,
                peak_memory_bytes=usage.peak_memory_bytes() if usage else None,
            )
        )
        if progress.node.name in self._invocation.node_assets:
            key = self._invocation.node_assets[progress.node.name]
            said = self.statements.take(progress.node.name)
            metadata = {**said.metadata, **self._node_metadata(progress)}
            self._reports.materialization(key, metadata, said.data_version)
            self._report_checks(progress.node.name, said)

    def _report_saved(self, progress: NodeProgress, name: str, data: Any, seconds: float) -> None:
        self._send_saved(progress, name, self._describe(progress, name, data), seconds)

    def _describe(self, progress: NodeProgress, name: str, data: Any) -> Description:
        stand_for_keys = strip_transcoding(name) in self._invocation.partitioned
        partitions = sorted(progress.partitions.get(name, ())) if stand_for_keys else None
        return describe_saved(self._dataset(name), data, self._wanted, partitions)

    def _send_saved(
        self, progress: NodeProgress, name: str, description: Description, seconds: float
    ) -> None:
        said = self.statements.take(strip_transcoding(name))
        described = {**description.metadata, **said.metadata}
        # What later runs go by is not for a node to say.
        if version := description.version:
            described[VERSION] = value("text", version)
        if name in self._invocation.staged:
            described["kedro/staged_at"] = value("text", self._invocation.staged[name])
        data_version = said.data_version or description.data_version
        asset_key = self._invocation.dataset_assets.get(strip_transcoding(name))
        size = description.metadata.get("kedro/size_bytes", {}).get("raw_value")
        self._reports.event(
            DatasetSaved(
                node=progress.node.name,
                dataset=name,
                duration_s=seconds,
                version=version,
                data_version=data_version,
                size_bytes=size if isinstance(size, int) else None,
                # What the materialization says need not be sent twice.
                metadata=described if asset_key is None else {},
            )
        )
        if asset_key is not None:
            metadata = {**described, **self._node_metadata(progress)}
            self._reports.materialization(asset_key, metadata, data_version)
        # Dagster takes a check for one of what is the latest then.
        self._report_checks(strip_transcoding(name), said)
        self._checks.saved(name)

    def _report_checks(self, subject: str, said: Said) -> None:
        key = self._invocation.known_assets.get(subject, subject)
        for result in said.checks:
            self._checks.notice(key, result.name, result.severity, passed=result.passed)
            self._reports.check(key, result)

    def _dataset(self, name: str) -> Any:
        return None if self._catalog is None else get_dataset(self._catalog, name)

    def _node_metadata(self, progress: NodeProgress) -> PipesMetadata:
        spent_s, usage = progress.spent_s, progress.usage
        used: PipesMetadata = {}
        if usage is not None:
            used["kedro/cpu_s"] = value("float", round(usage.cpu_s(), 3))
            used["kedro/peak_memory_bytes"] = value("int", usage.peak_memory_bytes())
        return {
            "kedro/node": value("text", progress.node.name),
            "kedro/run_id": value("text", self._invocation.kedro_run_id),
            "kedro/process_id": value("int", os.getpid()),
            "kedro/load_s": value("float", round(spent_s["load"], 6)),
            "kedro/compute_s": value("float", round(spent_s["compute"], 6)),
            "kedro/save_s": value("float", round(spent_s["save"], 6)),
            **used,
            **self._of_worker(),
        }


def _is_parameter(name: str) -> bool:
    return name == "parameters" or name.startswith("params:")
