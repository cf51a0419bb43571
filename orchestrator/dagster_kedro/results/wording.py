"""How events and failures are told to people: texts only, no verdicts."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from kedro_manifest.events import (
    AnyEvent,
    DatasetEvent,
    DatasetLoaded,
    DatasetLoading,
    DatasetSaving,
    DatasetsFound,
    MlflowRunStarted,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    PartitionsSaved,
    WorkerStarted,
)
from kedro_manifest.planning.plan import Group

from dagster_kedro.clients.base import WorkerExit
from dagster_kedro.errors import GroupFailedError, NodeFailedError

_SHOWN_PARTITIONS = 20
_NEXT_UNIT = 1024

_OfNode = NodeStarted | NodeFinished | PartitionsSaved | DatasetEvent


class LogLine(msgspec.Struct, frozen=True):
    """A line for the run's log."""

    message: str
    level: str = "info"
    event: AnyEvent | None = None
    """What it tells, for programs."""


def describe_event(event: AnyEvent) -> LogLine:
    """Return the line that tells an event in the run's log."""
    level = "info"
    if isinstance(event, DatasetEvent):
        level = "debug"
    elif isinstance(event, NodeFailed):
        level = "error"
    return LogLine(_text(event), level, event)


def _text(event: AnyEvent) -> str:
    if isinstance(event, NodeFailed):
        return describe_failure(event)
    if isinstance(event, WorkerStarted | MlflowRunStarted):
        return _describe_worker(event)
    if isinstance(event, DatasetsFound):
        return f"Outputs that exist: {', '.join(event.datasets) or 'none'}."
    return f"[{event.node}] {_what_happened(event)}"


def _what_happened(event: _OfNode) -> str:
    if isinstance(event, NodeStarted):
        return "started."
    if isinstance(event, NodeFinished):
        total_s = event.load_s + event.compute_s + event.save_s
        return (
            f"finished in {total_s:.2f} s (load {event.load_s:.2f}, compute {event.compute_s:.2f}, "
            f"save {event.save_s:.2f}{_usage(event)})."
        )
    if isinstance(event, PartitionsSaved):
        return f"saved {_partitions(event.partitions)} of '{event.dataset}'."
    return _what_happened_to_dataset(event)


def _what_happened_to_dataset(event: DatasetEvent) -> str:
    if isinstance(event, DatasetLoading):
        return f"loading '{event.dataset}'."
    if isinstance(event, DatasetLoaded):
        return f"loaded '{event.dataset}' in {event.duration_s:.2f} s."
    if isinstance(event, DatasetSaving):
        return f"saving '{event.dataset}'."
    size = "" if event.size_bytes is None else f" ({_size(event.size_bytes)})"
    return f"saved '{event.dataset}' in {event.duration_s:.2f} s{size}."


def _usage(event: NodeFinished) -> str:
    cpu = "" if event.cpu_s is None else f", processor {event.cpu_s:.2f}"
    peak = event.peak_memory_bytes
    return cpu + ("" if peak is None else f"; memory up to {_size(peak)}")


def _size(size_bytes: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if size_bytes < _NEXT_UNIT:
            return f"{size_bytes:.4g} {unit}"
        size_bytes /= _NEXT_UNIT
    return f"{size_bytes:.4g} GiB"


def describe_output(whose: str, stream: str, lines: Sequence[str]) -> str:
    """Return what a node, or a group, has printed."""
    if len(lines) == 1:
        return f"[{whose}] {stream}: {lines[0]}"
    return "\n".join([f"[{whose}] {stream}, {len(lines)} lines:", *lines])


def _describe_worker(event: WorkerStarted | MlflowRunStarted) -> str:
    if isinstance(event, WorkerStarted):
        group = f"[{event.group}] " if event.group else ""
        host = f" on {event.host}" if event.host else ""
        return (
            f"{group}Worker started: process {event.process_id}{host}, Kedro {event.kedro_version}."
        )
    place = f": {event.url}" if event.url else ""
    return f"Tracked by MLflow run {event.run_id}, nested in {event.parent_run_id}{place}."


def _partitions(saved: list[str]) -> str:
    if len(saved) == 1:
        return f"partition '{saved[0]}'"
    return f"{len(saved)} partitions, '{saved[0]}' to '{saved[-1]}',"


def describe_undeclared(asset: str, check: str, *, passed: bool) -> LogLine:
    """Return what a check has found of which Dagster does not know."""
    said = (
        f"Check '{check}' of '{asset}' {'passed' if passed else 'failed'}. It is not declared, so "
        "that Dagster shows it with the run only. Declare it in dagster.yml: "
        f"`checks: {{<dataset>: {{reported: [{check}]}}}}`."
    )
    return LogLine(said, "info" if passed else "warning")


def describe_failure(failure: NodeFailed) -> str:
    """Return which node failed, while doing what, and its traceback."""
    return f"{_name_failure(failure)}\n\n{failure.traceback.rstrip()}"


def _name_failure(failure: NodeFailed) -> str:
    among = f"one of {', '.join(map(repr, failure.among))}" if failure.among else ""
    dataset = f"'{failure.dataset}'" if failure.dataset else among
    doing = {"load": f"loading {dataset}", "save": f"saving {dataset}"}.get(
        failure.phase if dataset else "", "running it"
    )
    return f"Node '{failure.node}' failed while {doing}: {failure.error_type}: {failure.message}"


def describe_attempt(group: Group, number: int, most: int) -> str:
    """Return that a group is tried again, and which of its nodes."""
    return f"Group '{group.name}', attempt {number} of {most}: runs {', '.join(group.nodes)}."


def describe_failed_attempt(
    group: Group, number: int, most: int, error: GroupFailedError, wait_s: float
) -> str:
    """Return that an attempt at a group has failed, why, and when the next begins."""
    again = f"in {wait_s:.1f} s" if wait_s else "at once"
    # A node's traceback stands in the log already, with the event.
    failure = error.failure if isinstance(error, NodeFailedError) else None
    why = _name_failure(failure) if failure else error
    return (
        f"Group '{group.name}', attempt {number} of {most} failed ({error.kind}) and is tried "
        f"again {again}: {why}"
    )


def describe_exception(group: str, exception: Mapping[str, Any]) -> str:
    """Return the exception that a worker ended with, and what it came from."""
    causes = "\n\n".join(_exception_chain(exception))
    return f"The worker of {group} failed before any node did: {causes}"


def _exception_chain(exception: Mapping[str, Any]) -> Iterator[str]:
    """Yield an exception and what it came from: the first cause is often the one that tells."""
    stack = "".join(exception.get("stack") or []).rstrip()
    name, message = str(exception.get("name")), str(exception.get("message")).rstrip()
    # Pipes takes the traceback's last line for the message, which begins with the name, and its module.
    named = message.partition(":")[0].rpartition(".")[2] == name
    yield f"{message if named else f'{name}: {message}'}\n\n{stack}"
    if earlier := exception.get("cause") or exception.get("context"):
        for text in _exception_chain(earlier):
            yield f"which came from {text}"


def describe_exit(group: str, ended: WorkerExit, output: list[str]) -> str:
    """Return how a worker ended that gave no reason, and the last that it wrote."""
    peak = ""
    if ended.peak_memory_bytes is not None:
        peak = f" Its largest memory was {ended.peak_memory_bytes / 2**20:,.0f} MiB."
    if ended.lost is not None:
        how = ended.lost
    elif ended.stopped:
        how = "was stopped"
    elif ended.overdue:
        how = "ran longer than the place lets it"
    elif ended.taken == "evicted":
        how = "was evicted from the place where it ran"
    elif ended.taken == "preempted":
        how = "lost the machine that it ran on, which was preempted"
    elif ended.failed is not None:
        how = f"failed: {ended.failed.rstrip('.')}"
    elif ended.out_of_memory:
        how = "was killed by the kernel for want of memory"
    elif ended.signal is not None:
        how = f"was killed by {_signal_name(ended.signal)}"
    else:
        how = f"exited with code {ended.code}"
    cure = f" {ended.cure}" if ended.cure else ""
    return f"The worker of {group} {how} without giving a reason.{peak}{cure}{quote_output(output)}"


def describe_timeout(group: str, timeout_s: float, output: list[str]) -> str:
    """Return that a worker took too long, and the last that it wrote."""
    return (
        f"The worker of {group} took longer than its {timeout_s:g} s (`timeout_s`) and was "
        f"stopped. Give it more time, or split it.{quote_output(output)}"
    )


def _signal_name(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"


def quote_output(output: list[str]) -> str:
    """Return a worker's last lines, for the end of a message."""
    if not output:
        return " It wrote nothing."
    return " Its last output:\n" + "\n".join(f"    {line}" for line in output)


def describe_missing(what: str, missing: Mapping[str, str]) -> str:
    """Return which partitions of a dataset are missing, and of which keys."""
    shown = [_as_said(partition, key) for partition, key in missing.items()][:_SHOWN_PARTITIONS]
    more = len(missing) - len(shown)
    return (
        f"{what} was saved without {len(missing)} of the run's partitions: {', '.join(shown)}"
        + (f" and {more} more" if more else "")
    )


def _as_said(partition: str, key: str) -> str:
    return repr(partition) if partition == key else f"{partition!r} (of key {key!r})"
