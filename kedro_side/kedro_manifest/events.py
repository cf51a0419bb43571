"""What a worker reports beyond the Pipes methods, as payloads of Pipes custom messages.

Every message line of our worker also carries its number, under `NUMBER_KEY`, beside the Pipes
fields; the `closed` line is the last one and carries the highest. A stock reader ignores the
number, a foreign program writes none.
"""

from __future__ import annotations

from typing import Any

import msgspec

NUMBER_KEY = "kedro_pipes_number"
"""Top-level field of a message line: 1 for the first message, without a gap."""

PAYLOAD_KEY = "kedro_pipes_event"
"""Field of a custom message's payload that holds one of the events below."""


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag=True):
    """Base of all events; the class name is the tag."""


class WorkerStarted(Event, frozen=True, kw_only=True):
    """The worker decoded its invocation; sent before the project is loaded."""

    process_id: int
    kedro_version: str
    worker_version: str
    group: str = ""
    host: str = ""
    """What the orchestrator calls the host that it runs on, where it has chosen it."""


class NodeStarted(Event, frozen=True, kw_only=True):
    """A node's function is about to be called; its inputs are loaded."""

    node: str


class NodeFinished(Event, frozen=True, kw_only=True):
    """A node ran and every one of its outputs is saved. Durations in seconds."""

    node: str
    load_s: float
    compute_s: float
    save_s: float
    cpu_s: float | None = None
    """Processor time of its process meanwhile; None if other nodes ran there at the same time."""
    peak_memory_bytes: int | None = None
    """Largest resident size of its process meanwhile; None as above."""


class NodeFailed(Event, frozen=True, kw_only=True):
    """A node raised, or one of its datasets could not be loaded or saved."""

    node: str
    phase: str
    """`load`, `compute` or `save`."""
    dataset: str | None = None
    among: list[str] = []
    """Where several datasets were saved at the same time: those of which it was one."""
    error_type: str
    error_module: str = ""
    """Where the type is, for who makes the exception again."""
    message: str
    traceback: str


class DatasetLoading(Event, frozen=True, kw_only=True):
    """A dataset is about to be loaded for a node."""

    node: str
    dataset: str


class DatasetLoaded(Event, frozen=True, kw_only=True):
    """A dataset has been loaded for a node."""

    node: str
    dataset: str
    duration_s: float


class DatasetSaving(Event, frozen=True, kw_only=True):
    """A dataset is about to be saved; of a generator node the first chunk of it."""

    node: str
    dataset: str


class DatasetSaved(Event, frozen=True, kw_only=True):
    """A dataset has been saved whole: once, after the last chunk of a generator node."""

    node: str
    dataset: str
    duration_s: float
    version: str | None = None
    """Kedro's."""
    data_version: str | None = None
    """Dagster's: the same for the same data."""
    size_bytes: int | None = None
    """Of what was saved, where that can be found out without loading it."""
    metadata: dict[str, Any] = {}
    """Pipes metadata values: `{name: {"type": …, "raw_value": …}}`. None for a selected asset,
    whose materialization holds them."""


class PartitionsSaved(Event, frozen=True, kw_only=True):
    """Partitions of a PartitionedDataset have been saved; sent for each chunk of a generator."""

    node: str
    dataset: str
    partitions: list[str]
    """Their ids, sorted."""


class DatasetsFound(Event, frozen=True, kw_only=True):
    """Which persisted outputs exist already, of the nodes that a worker was asked about."""

    datasets: list[str]
    """Without transcoding, sorted."""
    partitions: dict[str, list[str]] = {}
    """Ids of the partitions of those that are a PartitionedDataset."""


class MlflowRunStarted(Event, frozen=True, kw_only=True):
    """The worker's MLflow run has begun, nested in that of the run of Dagster."""

    run_id: str
    parent_run_id: str
    url: str | None = None
    """Where MLflow's interface shows it; None where there is no server."""


DatasetEvent = DatasetLoading | DatasetLoaded | DatasetSaving | DatasetSaved
"""What is told of a single dataset."""

AnyEvent = (
    DatasetsFound
    | MlflowRunStarted
    | WorkerStarted
    | NodeStarted
    | NodeFinished
    | NodeFailed
    | DatasetEvent
    | PartitionsSaved
)


def encode_event(event: Event) -> dict[str, Any]:
    """Return the payload of the custom message that carries an event."""
    return {PAYLOAD_KEY: msgspec.to_builtins(event)}


def decode_event(payload: Any) -> AnyEvent | None:
    """Return the event in a custom message's payload; None if the message is not ours.

    Raises:
        msgspec.ValidationError: It is ours, but of a kind or shape that is not known here.
    """
    if not (isinstance(payload, dict) and PAYLOAD_KEY in payload):
        return None
    event: AnyEvent = msgspec.convert(payload[PAYLOAD_KEY], AnyEvent)
    return event
