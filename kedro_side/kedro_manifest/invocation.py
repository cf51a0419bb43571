"""What one worker is asked to run. Travels as extras of the Pipes context, under `EXTRAS_KEY`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from kedro_manifest import __version__
from kedro_manifest.errors import InvocationError
from kedro_manifest.parameter_tree import restore_integer_keys

if TYPE_CHECKING:  # a worker needs no manifest
    from kedro_manifest.model import Node

EXTRAS_KEY = "kedro_pipes"
PROTOCOL_VERSION = "1.0"
"""`major.minor`; a worker refuses another major version."""

FRAMES_PARAM = "kedro_pipes_frames"
"""Parameter of the Pipes messages that asks a worker for frames on its standard output."""
MARKS_PARAM = "kedro_pipes_marks"
"""Parameter that asks a worker for marks in its output (see `output_marks`)."""
BUCKET_PARAM = "bucket"
"""Parameter of Dagster's own readers and injectors that use an object store."""
CONTROL_VARIABLE = "KEDRO_PIPES_CONTROL_FD"
"""Descriptor of a pipe whose end of file tells a worker that the orchestrator is gone."""
LEASE_VARIABLE = "KEDRO_PIPES_LEASE_S"
"""Seconds without a byte on that pipe after which the orchestrator counts as gone. Without it, only
the end of file does; with it, a pipe may be opened anew."""
GRACE_VARIABLE = "KEDRO_PIPES_GRACE_S"
"""Seconds that a worker's processes get between SIGTERM and SIGKILL."""
BUCKETS_VARIABLE = "KEDRO_PIPES_BUCKETS"
"""fsspec's protocol of the buckets that parameters of Pipes name: `s3` where it is not set."""

HOST_VARIABLE = "KEDRO_PIPES_HOST"
"""What the orchestrator calls the host that a worker runs on, where it has chosen it."""

VersionBy = Literal["auto", "modified", "content", "never"]
"""What tells one version of saved data from another."""


class ExpectedNode(msgspec.Struct, frozen=True, kw_only=True):
    """A node as the manifest knows it, for the worker to compare with its project."""

    name: str
    inputs: list[str]
    """Datasets and parameters, sorted."""
    outputs: list[str]
    """Sorted."""
    source_hash: str | None = None

    @classmethod
    def of(cls, node: Node) -> ExpectedNode:
        """Return what a worker compares of a node of the manifest."""
        return cls(
            name=node.name,
            inputs=sorted({*node.inputs, *node.parameters}),
            outputs=sorted(set(node.outputs)),
            source_hash=node.source_hash,
        )


class DatasetCheck(msgspec.Struct, frozen=True, kw_only=True):
    """An asset check of something that a worker's nodes load or save, or of a node."""

    name: str
    kind: Literal["validator", "not_empty", "reported"]
    """By the catalog's validator, by the length of what was saved, or by the node's own code."""
    dataset: str
    """With its transcoding, save of what node code reports; or the node."""
    asset_key: str
    """Escaped."""
    blocking: bool = False
    """Whether nothing that reads the dataset may run after the check has failed as an error."""
    severity: Literal["ERROR", "WARN"] = "ERROR"
    on_save: bool = True
    """False of a validator that Kedro calls on loading only."""


class RunError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a run failed, for `on_pipeline_error`."""

    type: str
    """`module.Class` of the exception."""
    message: str
    traceback: str = ""


class RunBegins(msgspec.Struct, frozen=True, kw_only=True, tag_field="run", tag="begins"):
    """The worker fires `before_pipeline_run` for a whole run, and runs no node."""


class RunEnds(msgspec.Struct, frozen=True, kw_only=True, tag_field="run", tag="ends"):
    """The worker fires `after_pipeline_run` or `on_pipeline_error`, and runs no node."""

    error: RunError | None = None
    """Why the run failed; None if it succeeded."""


class MlflowRun(msgspec.Struct, frozen=True, kw_only=True):
    """The MLflow run that stands for a run of Dagster; those of the workers are nested in it."""

    root_run_id: str
    """Dagster's id of the first of the runs that re-execute each other: they share it."""
    name: str
    """What it is called, unless `mlflow.yml` gives it a name."""
    run_id: str | None = None
    """MLflow's id, where another worker of the step has told it; else the worker looks for it."""
    is_contended: bool = False
    """True where other workers may make it at the same time."""


class MlflowEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How the MLflow run of a run of Dagster ends."""

    status: Literal["FINISHED", "FAILED", "KILLED"]
    unfinished: Literal["FAILED", "KILLED"]
    """Status of nested runs that no worker has ended."""
    groups: list[str] | None = None
    """Groups whose nested runs are over; None for all."""


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """One group of nodes, to be run by one worker under one Kedro run id."""

    protocol_version: str = PROTOCOL_VERSION
    sender: str = f"kedro-dagster-pipes {__version__}"
    group: str
    nodes: list[str]
    pipelines: list[str]
    """Registered pipelines that together hold the nodes; the worker loads these only."""
    load_all: bool = False
    """True where it is known that these cannot be loaded without the others."""
    runner: Literal["sequential", "thread"] = "sequential"
    """Kedro's runner."""
    is_async: bool = False
    """Whether that loads and saves datasets in threads."""
    kedro_run_id: str
    """Kedro's run id and save version, in Kedro's timestamp format."""
    dagster_run_id: str
    package_name: str
    """Python package of the project; used where there is no project directory."""
    conf_source: str | None = None
    env: str | None = None
    runtime_params: dict[str, Any] = {}
    integer_keys: list[list[str]] = []
    """Paths in `runtime_params` whose last key is an integer, which JSON cannot spell."""
    load_versions: dict[str, str] = {}
    dataset_assets: dict[str, str] = {}
    """Selected datasets (no transcoding) and the escaped asset key that each reports to."""
    node_assets: dict[str, str] = {}
    """Selected nodes without outputs and the escaped asset key that each reports to."""
    known_assets: dict[str, str] = {}
    """All datasets that the nodes read or write (no transcoding), and all nodes without outputs,
    and the escaped asset key of each: what a node's code may speak of."""
    partitioned: list[str] = []
    """PartitionedDatasets (no transcoding) whose partitions stand for keys of Dagster's."""
    describe: bool = True
    """Whether metadata of saved datasets is reported."""
    previews: bool = True
    """Whether a look at their data is part of it."""
    data_versions: VersionBy = "auto"
    """What tells one version of saved data from another."""
    checks: list[DatasetCheck] = []
    """Those of all that the nodes load or save."""
    check_stored: bool = False
    """Only load what is stored and check it; nothing is run then."""
    validated: list[str] = []
    """Datasets that another worker of the run has validated on saving, transcoding kept."""
    staged: dict[str, str] = {}
    """In-memory datasets that come from or go to another worker, and the URL of each."""
    staged_results: list[str] = []
    """Of these, what no node reads: a hook gets it in another worker, if it can be pickled."""
    staging_backend: str = "pickle"
    """Module that pickles them."""
    find_only: bool = False
    """Only report which outputs of the nodes exist; nothing is run then."""
    remove_staged: list[str] = []
    """Folders of staged datasets to remove; nothing is run then."""
    run_hooks: RunBegins | RunEnds | None = None
    """Only fire a run-scoped hook, that of the implementations in `hooks_once`, for a run of all
    the nodes; none is run then."""
    hooks_once: list[str] = []
    """Implementations of hooks, by their names in the manifest, whose run-scoped hooks fire once in
    a run, in workers that have `run_hooks`. Those of others fire in each worker that runs nodes."""
    conducts: bool = False
    """Hold one session over all nodes, and fork workers as it is ordered (see `conducting`)."""
    hooks_per_process: list[str] = []
    """Implementations whose run-scoped hooks fire in each worker that a conductor forks; those of
    all others fire in the conductor."""
    blocked_plugins: list[str] = []
    """Plugins and hook classes that are not registered (see `dagster.yml`)."""
    mlflow: MlflowRun | None = None
    """Where kedro-mlflow logs, if the project has it; None leaves it alone."""
    mlflow_end: MlflowEnd | None = None
    """Only end the MLflow run; nothing is run then."""
    expected: list[ExpectedNode] = []
    """The nodes as the manifest has them; none to skip the comparison."""
    expected_kedro: str | None = None
    """Version of Kedro that wrote the manifest."""
    on_drift: Literal["refuse", "warn"] = "refuse"
    """What to do when the project no longer matches."""
    log_level: str = "INFO"
    """Lowest level of the log records that are forwarded."""
    logger_levels: dict[str, str] = {}
    """The same by logger, of it and what is below it; `root` where a run says so for all."""


def encode_invocation(invocation: Invocation) -> dict[str, Any]:
    """Return the extras that carry an invocation."""
    return {EXTRAS_KEY: msgspec.to_builtins(invocation)}


def read_invocation(file: Path) -> Invocation:
    """Read an invocation from a JSON file, for a worker that is run by hand.

    Raises:
        InvocationError: No such file, no JSON, another protocol version, or a wrong type.
    """
    try:
        raw = msgspec.json.decode(file.read_bytes())
    except OSError as error:
        raise InvocationError(f"Cannot read invocation '{file}': {error.strerror}.") from error
    except msgspec.DecodeError as error:
        raise InvocationError(f"Cannot read invocation '{file}': {error}.") from error
    if isinstance(raw, dict):
        raw.setdefault("protocol_version", PROTOCOL_VERSION)
    return decode_invocation({EXTRAS_KEY: raw})


def decode_invocation(extras: dict[str, Any]) -> Invocation:
    """Read an invocation from the extras of a Pipes context.

    Raises:
        InvocationError: None there, another protocol version, or a wrong type.
    """
    if EXTRAS_KEY not in extras:
        raise InvocationError(
            f"Cannot find an invocation: the Pipes context has no extra '{EXTRAS_KEY}'. "
            "Launch the worker through dagster_kedro, or pass `--invocation FILE`."
        )
    raw = extras[EXTRAS_KEY]
    theirs = str(raw.get("protocol_version", "")) if isinstance(raw, dict) else ""
    if theirs.partition(".")[0] != PROTOCOL_VERSION.partition(".")[0]:
        sender = raw.get("sender", "an unknown program") if isinstance(raw, dict) else raw
        raise InvocationError(
            f"Cannot run the invocation of {sender}: expected protocol {PROTOCOL_VERSION}, got "
            f"{theirs or 'none'}. Install the same version of kedro-dagster-pipes on both sides."
        )
    try:
        invocation = msgspec.convert(raw, Invocation)
    except msgspec.ValidationError as error:
        raise InvocationError(
            f"Cannot read the invocation: {error}. "
            "Install the same version of kedro-dagster-pipes on both sides."
        ) from error
    params = restore_integer_keys(invocation.runtime_params, invocation.integer_keys)
    return msgspec.structs.replace(invocation, runtime_params=params)


def unknown_fields(extras: dict[str, Any]) -> list[str]:
    """Return the fields of an invocation that this version does not know, sorted."""
    return sorted(extras[EXTRAS_KEY].keys() - set(Invocation.__struct_fields__))
