"""`sensors`, `assets`, `code_references` and `observation`: what happens by itself, and how assets look."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Status = Literal["running", "stopped"]


class _Sensor(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"
):
    job: str
    """The job that it launches: one under `jobs`, or a registered pipeline."""
    description: str | None = None
    """Shown with the sensor in Dagster."""
    default_status: Status = "stopped"
    """Whether it is on from the start; a person may change that in the web interface."""
    interval_s: int | None = None
    """Seconds between two looks. Default: Dagster's."""
    tags: dict[str, str] = {}
    """Of the runs that it launches."""


class FileSensor(_Sensor, frozen=True, kw_only=True, tag="files"):
    """Launches a job when files or objects appear or change."""

    dataset: str | None = None
    """A free input: its URI is looked at. Either this or `uri`."""
    uri: str | None = None
    """An fsspec URL, `*` and `**` in it; a plain path is relative to the project."""
    storage_options: dict[str, Any] = {}
    """Of fsspec; `{env: NAME}` stands for a variable of the orchestrator's environment."""
    each: Literal["file", "change"] | None = None
    """A run for each new file, or one for all that is new. Default: `file` with `parameter` or
    `partition`, else `change`."""
    parameter: str | None = None
    """Runtime parameter that gets the file's URL."""
    partition: str | None = None
    """A dynamic entry under `partitions` to which the stem of each file's name is added, and of
    which a run is launched."""
    min_age_s: float = 0
    """Files younger than this many seconds are left for the next look, because they may still be
    written."""
    max_runs_per_tick: int = 100
    """Runs that one look launches; what is left waits for the next one."""


class RunStatusSensor(_Sensor, frozen=True, kw_only=True, tag="run_status"):
    """Launches a job after another has ended."""

    after: str
    """The job that is watched."""
    status: Literal["success", "failure", "canceled", "started"] = "success"
    """How the watched run has to end; `started` does not wait for its end."""


AnySensor = FileSensor | RunStatusSensor


class OnCron(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`automation:` once a period, as soon as the inputs are of that period."""

    on_cron: str
    """When a period ends and the next one begins, in five fields: `0 6 * * *`."""
    timezone: str | None = None
    """Such as `Europe/Berlin`. Default: UTC."""


class Freshness(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`freshness:` how old an asset may become: within a window, or by a deadline."""

    fail_after_s: float | None = None
    """Seconds since the last materialization, at least 60, after which the asset counts as failed.
    Either this or `deadline_cron`."""
    warn_after_s: float | None = None
    """Seconds after which there is a warning, fewer than `fail_after_s`. Default: none."""
    deadline_cron: str | None = None
    """When it has to be there, in five fields: `0 9 * * *`."""
    lower_bound_s: float | None = None
    """Required with `deadline_cron`: seconds, at least 60, before each deadline from which on a
    materialization counts for it."""
    timezone: str | None = None
    """Of `deadline_cron`, such as `Europe/Berlin`. Default: UTC."""


class AssetSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`assets.<pattern>:` how the assets look whose dataset or node matches the pattern.

    All patterns that match count. Lists and mappings are merged; of what can be said once only,
    the most specific pattern says it.
    """

    owners: list[str] = []
    """E-mail addresses, or `team:name`."""
    group_name: str | None = None
    """Group in Dagster's asset graph. `/` makes a hierarchy; `{namespace}` and `{pipeline}` stand
    for those of the node."""
    tags: dict[str, str] = {}
    """Besides those of the node."""
    kinds: list[str] = []
    """Besides those of the dataset's type; an asset has ten at most."""
    description: str | None = None
    """Shown instead of the one that is made from the node and the catalog."""
    metadata: dict[str, Any] = {}
    """Shown with the asset besides what the manifest says of it."""
    freshness: Freshness | None = None
    automation: str | OnCron | None = None
    """When Dagster makes it by itself: `eager`, `on_missing`, `{on_cron: <cron>}`, or
    `module:name` of a condition. See `automation_sensor`."""


class CodeReferences(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`code_references:` where people read the source of the nodes."""

    url: str
    """Address of a node's function in a source repository: `{path}` stands for its file in the
    project, `{line}` for its first line:
    `https://github.com/acme/flights/blob/main/{path}#L{line}`."""


class Observation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`observation:` looking at free inputs, and telling Dagster when they have changed."""

    datasets: list[str] | None = None
    """Free inputs to look at; `*` stands for anything. Default: every file and folder that is
    on this machine, or in a storage whose fsspec library is installed."""
    version_by: Literal["auto", "modified", "content"] = "auto"
    """What tells one version from another: the etag, or size and time, or a hash of the bytes.
    `auto` takes the etag where the storage has one, else size and time."""
    cron_schedule: str | None = None
    """When the observation job runs by itself, in five fields. Default: by hand only."""
    execution_timezone: str | None = None
    """Of `cron_schedule`, such as `Europe/Berlin`. Default: UTC."""
    default_status: Status = "stopped"
    """Whether the schedule is on from the start."""
    storage_options: dict[str, Any] = {}
    """Of fsspec; `{env: NAME}` stands for a variable of the orchestrator's environment."""
