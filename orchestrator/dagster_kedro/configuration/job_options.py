"""What a job of `dagster.yml` says of its runs, as Dagster takes it. Definition time only, pure."""

from __future__ import annotations

from typing import Any

import dagster as dg
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration.jobs import Job, JobRetries
from kedro_manifest.orchestration.retrying import Retries

_BACKOFF = {"linear": dg.Backoff.LINEAR, "exponential": dg.Backoff.EXPONENTIAL}
_JITTER = {"full": dg.Jitter.FULL, "plus_minus": dg.Jitter.PLUS_MINUS}


def settings_of(job: Job) -> dict[str, Any]:
    """Return what a job configures of the resource, as the Launchpad spells it."""
    settings: dict[str, Any] = {
        "env": job.env,
        "parameters": job.parameters or None,
        "load_versions": job.load_versions or None,
        "only_missing_outputs": job.only_missing_outputs or None,
        "max_concurrent": job.max_concurrent,
        "client": job.client,
        "log_level": job.log_level.upper() if job.log_level else None,
    }
    return {key: value for key, value in settings.items() if value is not None}


def run_tags(job: Job) -> dict[str, str]:
    """Return the tags of a job's runs; the daemon launches a failed run again if they say so."""
    retries = job.retries if isinstance(job.retries, JobRetries) else JobRetries(run=job.retries)
    if retries.run is None:
        return job.tags
    return {
        "dagster/max_retries": str(retries.run),
        "dagster/retry_strategy": retries.run_strategy.upper(),
        **job.tags,
    }


def step_retries(job: Job, place: str) -> dg.RetryPolicy | None:
    """Return the retry policy of a job's steps.

    Args:
        job: The job.
        place: Dotted keys of its `retries`, for errors.

    Raises:
        OrchestrationError: It says what a step cannot do.
    """
    retries = job.retries
    if not isinstance(retries, JobRetries) or retries.step is None:
        return None
    step = retries.step if isinstance(retries.step, Retries) else Retries(max_retries=retries.step)
    if step.on != Retries().on:
        raise OrchestrationError.at(
            f"{place}.step.on",
            "Dagster tries a step again after any failure",
            "Take the key out, or set `retries` of the group, which tells failures apart.",
        )
    waits = step.backoff != "constant" or step.jitter != "none"
    if waits and not step.delay_s:
        raise OrchestrationError.at(
            f"{place}.step",
            "`backoff` and `jitter` change a delay, and there is none",
            "Add `delay_s`.",
        )
    return dg.RetryPolicy(
        max_retries=step.max_retries,
        delay=step.delay_s or None,
        backoff=_BACKOFF.get(step.backoff),
        jitter=_JITTER.get(step.jitter),
    )
