"""The manifest: everything the Dagster side needs to know of a Kedro project, without Kedro.

Names are spelled exactly as Kedro spells them. Paths are relative to the project, and no
credential or secret is ever part of it: the exporter fills these fields from an allow-list.

What there are thousands of is hidden from the garbage collector (`gc=False`), which would visit
it in vain: plain data read from a file holds no cycles.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from kedro_manifest import __version__

FORMAT_VERSION = "1.0"
"""`major.minor` of the manifest format; independent of the package's version."""

DatasetKind = Literal["file", "table", "memory", "partitioned", "other"]
ParameterType = Literal[
    "string", "integer", "number", "boolean", "null", "array", "object", "other"
]


class SourceLocation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a node's function is defined."""

    path: str
    """Relative to the project directory, with forward slashes."""
    line: int
    """First line of the definition, counted from 1."""


class Node(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One Kedro node."""

    name: str
    function: str
    """`module:qualname` of the function."""
    namespace: str | None = None
    tags: list[str] = []
    inputs: list[str] = []
    """Dataset names in the order of the function's arguments, transcoding kept, no parameters."""
    parameters: list[str] = []
    """`params:…` and `parameters` inputs, as Kedro spells them."""
    outputs: list[str] = []
    confirms: list[str] = []
    doc: str | None = None
    source: SourceLocation | None = None
    source_hash: str | None = None
    """SHA-256 of the function's source text; None where there is none to read."""


class Validator(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the catalog's `validator:` says of a dataset, its options apart (Kedro 1.6 or newer)."""

    class_path: str
    on: list[Literal["load", "save"]]
    severity: Literal["error", "warn"] = "error"
    skip_load_after_save: bool = False


class Dataset(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One dataset that some node reads or writes, under its full (transcoded) name."""

    name: str
    type: str
    """Class path as the catalog spells it, such as `pandas.ParquetDataset`."""
    kind: DatasetKind
    uri: str | None = None
    """Configured location without user, password or query."""
    protocol: str | None = None
    versioned: bool = False
    overwrite: bool = False
    """Of a PartitionedDataset: whether saving it removes the partitions that are not saved."""
    pattern: str | None = None
    """The dataset factory that resolved the name."""
    layer: str | None = None
    metadata: dict[str, Any] = {}
    credentials: str | None = None
    """Name of the entry in `credentials.yml`, never its content."""
    validator: Validator | None = None
    """None where the catalog names none, or one that is not enabled."""
    of_process: bool = False
    """True for what is kept, but can be loaded only where it was saved: a metric or a model that
    kedro-mlflow reads from the run that is active."""
    unpicklable: str | None = None
    """Of what is in memory: why the store's backend can hardly pickle it, told of the node that
    writes it, such as `returns a lambda`. None where nothing speaks against it."""


class Pipeline(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One registered pipeline."""

    name: str
    nodes: list[str] = []
    """Node names, sorted."""
    loads_alone: bool | None = None
    """Whether Kedro gives the same nodes when it is asked for this pipeline alone; None where it
    cannot be asked (before Kedro 1.5, `__default__`) or was not."""


class Parameter(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One parameter leaf, or a mapping of parameters."""

    name: str
    """Dotted, without `params:`."""
    type: ParameterType
    value: Any = None
    """Default; None where the type is `object` (its leaves follow) or values were left out."""
    integer_key: bool = False
    """True where the last part of the name is an integer in the project's YAML, and no text."""


class HookImplementation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An implementation of Kedro's hooks that is registered in every session."""

    name: str
    """Distribution of a plugin, or `module.Class` of an object in the project's `settings.HOOKS`."""
    hooks: list[str]
    """Kedro's names of the hooks that it implements, sorted."""
    takes_result: bool = False
    """Whether its `after_pipeline_run` takes what the run gives, the `run_result`."""


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """The Kedro project that was exported."""

    name: str
    package_name: str
    kedro_version: str
    python_version: str
    """`major.minor` of the interpreter that exported."""
    env: str | None = None
    """Kedro environment; None for the project's default."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A Kedro project as data."""

    format_version: str = FORMAT_VERSION
    generator: str = f"kedro-dagster-pipes {__version__}"
    content_hash: str = ""
    """SHA-256 over the canonical bytes with this field empty."""
    project: Project
    pipelines: list[Pipeline] = []
    nodes: list[Node] = []
    datasets: list[Dataset] = []
    parameters: list[Parameter] = []
    parameter_values: bool = True
    """False when the exporter was told to leave the parameters' values out."""
    runtime_parameters: list[str] = []
    """Dotted names that only `${runtime_params:NAME}` in the configuration speaks of, sorted: no
    parameters of the project, but `kedro run --params` takes them."""
    given_parameters: dict[str, Any] = {}
    """Runtime parameters that the exporter was given (`--params`), nested. The defaults above have
    them in, so every run gets them too, unless it sets others."""
    hooks: list[HookImplementation] = []
    """Those of the project's settings and of plugins that are not disabled, sorted by name."""
    orchestration: dict[str, Any] = {}
    """The resolved `dagster.yml`; empty when the project has none."""
