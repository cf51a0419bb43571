"""Say more of a dataset from a node's code: metadata, checks, where columns come from.

    from kedro_pipes import report

    def train(features):
        ...
        report.metadata("model", {"trees": 200})
        report.check("beats_the_mean", passed=r2 > 0, metadata={"r2": r2})

What is said reaches Dagster once the dataset is saved. Under `kedro run`, in a notebook or in a
test, where no worker of ours runs the node, nothing happens. No call ever raises: what is wrong
with one stands in the log, as a warning.

Imports the standard library only; knows neither Kedro nor Pipes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Protocol

Severity = Literal["ERROR", "WARN"]


class Receiver(Protocol):
    """Takes what nodes say; the worker has one."""

    def metadata(self, dataset: str | None, values: Any) -> None:
        """Keep metadata."""

    def check(
        self, name: Any, dataset: str | None, passed: Any, severity: Any, values: Any
    ) -> None:
        """Keep the result of a check."""

    def column_lineage(self, dataset: str | None, columns: Any) -> None:
        """Keep where columns come from."""

    def data_version(self, dataset: str | None, version: Any) -> None:
        """Keep a data version."""


_receiver: Receiver | None = None


def metadata(dataset: str | None, values: Mapping[str, Any]) -> None:
    """Add metadata to an output of the node that is running.

    Args:
        dataset: Its name; that of a namespaced pipeline may be left without its namespace. None
            for the only output, or for the node itself if it has none.
        values: Metadata by name. Texts, numbers, booleans, paths, times, and lists and mappings of
            these are taken as they are; `{"type": "md", "raw_value": "…"}` says a type of Dagster
            Pipes.
    """
    if _receiver is not None:
        _receiver.metadata(dataset, values)


def check(
    name: str,
    passed: bool,  # noqa: FBT001 - as Dagster Pipes has it
    severity: Severity = "ERROR",
    metadata: Mapping[str, Any] | None = None,
    dataset: str | None = None,
) -> None:
    """Report the result of an asset check of an output of the node that is running.

    Args:
        name: The check's.
        passed: Whether it did.
        severity: How bad it is if it did not.
        metadata: As for `metadata`.
        dataset: As for `metadata`.
    """
    if _receiver is not None:
        _receiver.check(name, dataset, passed, severity, metadata or {})


def column_lineage(dataset: str | None, columns: Mapping[str, Iterable[tuple[str, str]]]) -> None:
    """Say which columns of the node's inputs the columns of an output are made of.

    Args:
        dataset: As for `metadata`.
        columns: By column of the output, pairs of a dataset that the node reads and a column of it.
    """
    if _receiver is not None:
        _receiver.column_lineage(dataset, columns)


def data_version(dataset: str | None, version: str) -> None:
    """Say which version of its data an output has, instead of the worker.

    Dagster shows what is downstream as stale when it changes.

    Args:
        dataset: As for `metadata`.
        version: Any text that is the same for the same data.
    """
    if _receiver is not None:
        _receiver.data_version(dataset, version)


def connect(receiver: Receiver | None) -> None:
    """Say who takes what is reported in this process: for the worker, which is no node."""
    global _receiver  # noqa: PLW0603 - one process runs one worker
    _receiver = receiver


__all__ = ["check", "column_lineage", "data_version", "metadata"]
