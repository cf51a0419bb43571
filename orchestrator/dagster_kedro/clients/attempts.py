"""What tells one attempt at a group from all others, for the names of what is started for it. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from dagster_kedro.clients.base import WorkerLaunch


def attempt_of(launch: WorkerLaunch) -> str:
    """Return what tells an attempt from others: Kedro's run id, or Dagster's retry number."""
    invocation: Mapping[str, Any] = (launch.context_data["extras"] or {}).get("kedro_pipes") or {}
    return str(invocation.get("kedro_run_id") or launch.context_data["retry_number"])


def digest_of(launch: WorkerLaunch) -> str:
    """Return a short text that is the same for the same attempt at a group, and for no other."""
    identity = json.dumps(
        [launch.context_data["run_id"], launch.step, launch.group, attempt_of(launch)]
    )
    return hashlib.sha256(identity.encode()).hexdigest()[:12]
