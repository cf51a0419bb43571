"""One worker from launch to verdict, through whatever client.

Ties the client, the stream of messages and the results together; the contract of success is
kept here, once for all clients.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from dagster_kedro.channel import MessageStream
from dagster_kedro.clients.base import KedroClient, Worker, WorkerExit, WorkerLaunch
from dagster_kedro.results import Expected, GroupResults, Outcome

_SHORTEST_WAIT_S = 0.005
_LONGEST_WAIT_S = 0.05


def run_worker(
    client: KedroClient,
    launch: WorkerLaunch,
    expected: Expected,
    emit: Callable[[Outcome], None],
    stop: threading.Event,
) -> GroupResults:
    """Run one worker to its end; emit what it reports while it runs.

    Args:
        client: Where to run it.
        launch: What to run.
        expected: What it has to report.
        emit: Takes each outcome, in order.
        stop: Ends the worker when it is set.

    Raises:
        GroupFailedError: It did not do what it was asked to; see `GroupResults.judge`.
    """
    results = GroupResults(expected)
    stream = MessageStream()

    def take(lines: list[bytes]) -> None:
        for line in lines:
            for message in stream.feed(line):
                for outcome in results.outcomes(message):
                    emit(outcome)

    with client.launch(launch) as worker:
        ended = _follow(worker, take, stop)
        output = [] if ended.is_clean else worker.last_output()
    for outcome in results.unfinished():
        emit(outcome)
    results.judge(ended, stream.defects(), output)
    return results


def _follow(
    worker: Worker, take: Callable[[list[bytes]], None], stop: threading.Event
) -> WorkerExit:
    """Hand on a worker's lines until it has ended; stop it when asked to."""
    wait_s = _SHORTEST_WAIT_S
    while (ended := worker.poll()) is None:
        lines = worker.read_lines()
        take(lines)
        wait_s = _SHORTEST_WAIT_S if lines else min(wait_s * 2, _LONGEST_WAIT_S)
        if stop.wait(wait_s):
            worker.stop()
    take(worker.read_rest())
    return ended
