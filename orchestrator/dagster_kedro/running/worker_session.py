"""One worker from launch to verdict, through whatever client.

Ties the client, the stream of messages and the results together; the contract of success is
kept here, once for all clients.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

import msgspec

from dagster_kedro.channel import MessageStream
from dagster_kedro.clients.base import (
    HeraldingWorker,
    OutputLine,
    Starter,
    Worker,
    WorkerExit,
    WorkerLaunch,
)
from dagster_kedro.results.group_results import GroupResults, Outcome
from dagster_kedro.running.bursts import Bursts
from dagster_kedro.running.output_log import OutputLog

_SHORTEST_WAIT_S = 0.005
_LONGEST_WAIT_S = 0.05
_LONGEST_SILENCE_S = 0.5
"""After which a worker that tells of its news is asked all the same: it may be late or unwanted."""


def run_worker(
    starter: Starter,
    launch: WorkerLaunch,
    results: GroupResults,
    emit: Callable[[Outcome], object],
    stop: threading.Event,
    *,
    timeout_s: float | None = None,
    output_level: str | None = None,
) -> None:
    """Run one worker to its end; emit what it reports while it runs.

    Args:
        starter: Starts it.
        launch: What to run.
        results: Takes what it reports, and judges it.
        emit: Takes each outcome, in order.
        stop: Ends the worker when it is set.
        timeout_s: Seconds after which the worker is stopped; None for any number.
        output_level: At which level its output is told; None for not at all.

    Raises:
        GroupFailedError: It did not do what it was asked to; see `GroupResults.judge`.
    """
    stream = MessageStream()
    told = Bursts(emit)
    printed = OutputLog(launch.group, output_level, told.emit)

    def take(lines: list[bytes], output: list[OutputLine]) -> None:
        told.begin(len(lines))
        printed.add(output)
        for line in lines:
            for message in stream.feed(line):
                if message.number is not None:
                    printed.tell_before(message.number)
                for outcome in results.outcomes(message):
                    told.emit(outcome)
        printed.tell_due(stream.last_number)
        told.pause()

    launch = msgspec.structs.replace(launch, is_unwanted=stop.is_set)
    try:
        with starter.launch(launch) as worker:
            ended, is_late = _follow(worker, results, take, stop, timeout_s)
            output = [] if ended.is_clean and not is_late else worker.last_output()
    finally:
        printed.finish()
        told.end()
    for outcome in results.unfinished():
        emit(outcome)
    results.judge(ended, stream.defects(), output, timeout_s if is_late else None)


def _follow(
    worker: Worker,
    results: GroupResults,
    take: Callable[[list[bytes], list[OutputLine]], None],
    stop: threading.Event,
    timeout_s: float | None,
) -> tuple[WorkerExit, bool]:
    """Hand on a worker's lines until it has ended; stop it when asked to, or when it is late.

    Returns:
        How it ended, and whether being late is why.
    """
    herald = worker if isinstance(worker, HeraldingWorker) else None
    wait_s = _SHORTEST_WAIT_S
    deadline = time.monotonic() + (math.inf if timeout_s is None else timeout_s)
    is_late = False
    while (ended := worker.poll()) is None:
        lines, output = worker.read_lines(), worker.read_output()
        take(lines, output)
        if herald is not None:
            herald.wait_for_news(_LONGEST_SILENCE_S)
            wait_s = 0.0
        else:
            wait_s = _SHORTEST_WAIT_S if lines or output else min(wait_s * 2, _LONGEST_WAIT_S)
        if stop.wait(wait_s):
            worker.stop()
        elif time.monotonic() > deadline:
            # A worker that has failed and then hangs has a better reason than being late.
            is_late = is_late or not results.has_failure
            worker.stop()
    take(worker.read_rest(), worker.read_output())
    return ended, is_late and ended.stopped
