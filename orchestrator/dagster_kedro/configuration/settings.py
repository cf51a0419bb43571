"""What is configured for all groups of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration.placement import Timeout

from dagster_kedro.clients.base import WorkerOverrides


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A run's configuration, once the resource has resolved it."""

    env: str | None
    parameters: dict[str, Any]
    load_versions: dict[str, str]
    only_missing_outputs: bool
    max_concurrent: int | None
    """None for what `dagster.yml` says, 0 for as many as there are processors."""
    log_level: str | None
    """None for what `dagster.yml` says."""
    client_name: str | None = None
    """Which of the clients of `dagster.yml` runs all groups."""
    overrides: WorkerOverrides = WorkerOverrides()
    timeout_s: float | None = None


class _Worker(WorkerOverrides, frozen=True, kw_only=True, forbid_unknown_fields=True):
    timeout_s: Timeout | None = None


def read_worker(worker: Mapping[str, Any]) -> tuple[WorkerOverrides, float | None]:
    """Return what a run says of all its workers: settings over those of the client, and a timeout.

    Raises:
        OrchestrationError: An unknown setting, or one of a wrong type.
    """
    try:
        read = msgspec.convert(dict(worker), _Worker)
    except msgspec.ValidationError as error:
        raise OrchestrationError(
            f"Cannot use `worker` of the resource: {error}. It takes "
            f"{', '.join(f'`{name}`' for name in _Worker.__struct_fields__)}."
        ) from error
    given = {name: getattr(read, name) for name in WorkerOverrides.__struct_fields__}
    return WorkerOverrides(**given), read.timeout_s
