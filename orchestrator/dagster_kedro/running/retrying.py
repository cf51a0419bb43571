"""Try something again: how often, after which pause, and after which failures.

Knows nothing of what is tried.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from kedro_manifest.orchestration.retrying import Retries
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
    wait_fixed,
    wait_incrementing,
)
from tenacity.nap import sleep_using_event
from tenacity.wait import wait_base

from dagster_kedro.errors import GroupFailedError

Announce = Callable[[int, GroupFailedError, float], None]
"""Is told the number of an attempt that failed, its error, and the seconds until the next."""


def run_attempts(
    attempt: Callable[[int], None],
    retries: Retries,
    *,
    is_final: Callable[[GroupFailedError], bool],
    announce: Announce,
    stop: threading.Event,
) -> None:
    """Call a function with the number of the attempt, from 1, until it succeeds.

    Args:
        attempt: What is tried.
        retries: How often, and after which failures.
        is_final: Tells of a failure that it must not be tried again, whatever `retries` says.
        announce: Is told before each pause.
        stop: Ends a pause when it is set; nothing is tried after that.

    Raises:
        GroupFailedError: The last attempt's failure.
    """
    failures: list[GroupFailedError] = []

    def is_worth_it(error: BaseException) -> bool:
        if not isinstance(error, GroupFailedError) or stop.is_set() or is_final(error):
            return False
        failures.append(error)
        return error.kind in retries.on

    def tell(state: RetryCallState) -> None:
        announce(state.attempt_number, failures[-1], state.upcoming_sleep)

    for each in Retrying(
        stop=stop_after_attempt(1 + retries.max_retries),
        wait=_wait(retries),
        sleep=sleep_using_event(stop),
        retry=retry_if_exception(is_worth_it),
        before_sleep=tell,
        reraise=True,
    ):
        with each:
            if failures and stop.is_set():
                raise failures[-1]
            attempt(each.retry_state.attempt_number)


def _wait(retries: Retries) -> wait_base:
    delay_s = retries.delay_s
    waits: dict[str, wait_base] = {
        "constant": wait_fixed(delay_s),
        "linear": wait_incrementing(start=delay_s, increment=delay_s),
        "exponential": wait_exponential(multiplier=delay_s),
    }
    wait = waits[retries.backoff]
    return wait if retries.jitter == "none" else _Jittered(wait, retries)


class _Jittered(wait_base):
    """Some pause between none and the whole (`full`), or the whole more or less the delay."""

    def __init__(self, wait: wait_base, retries: Retries) -> None:
        self._wait = wait
        self._retries = retries

    def __call__(self, retry_state: RetryCallState) -> float:
        whole_s = self._wait(retry_state)
        if self._retries.jitter == "full":
            return random.uniform(0, whole_s)  # noqa: S311 - no secret depends on it
        spread_s = self._retries.delay_s
        return max(0.0, whole_s + random.uniform(-spread_s, spread_s))  # noqa: S311
