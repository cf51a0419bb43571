"""Run the groups of a plan concurrently inside one step, each as soon as its inputs exist.

One thread waits for each running worker and hands everything to the step's own thread through
one queue, so that only that thread talks to Dagster; at its end it starts what follows. Knows groups
and outcomes, no assets.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from queue import SimpleQueue
from typing import Any

import msgspec
from kedro_manifest.planning.plan import Group, Plan

from dagster_kedro.running.tag_limits import NO_LIMITS, TagLimits

RunGroup = Callable[[Group, Callable[[Any], None], threading.Event], None]
"""Runs one group: emits outcomes as they come, gives up when the event is set, raises if the
group failed."""


class GroupFailure(msgspec.Struct, frozen=True):
    """A group that failed, and why."""

    group: Group
    error: BaseException


class _Ended(msgspec.Struct, frozen=True):
    group: Group
    error: BaseException | None


class GroupScheduler:
    """Runs a plan once.

    Args:
        plan: What to run.
        max_concurrent: Workers at a time, at least 1.
        tag_limits: Of groups that hold a node of some tag; the others pass them by.
        queue: Where others put what is to be yielded as well.

    After a group has failed, what depends on it is not started; all the rest still runs, as
    with the steps of a Dagster run.
    """

    def __init__(
        self,
        plan: Plan,
        max_concurrent: int,
        tag_limits: TagLimits = NO_LIMITS,
        queue: SimpleQueue[Any] | None = None,
    ) -> None:
        self._plan = plan
        self._max_concurrent = max(1, max_concurrent)
        self._tag_limits = tag_limits
        self._queue: SimpleQueue[Any] = SimpleQueue() if queue is None else queue
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._waiting = {group.name: group for group in plan.groups}
        self._running: dict[str, threading.Thread] = {}
        self._done: set[str] = set()
        self._begun = 0
        """How many groups have been started."""
        self.failures: list[GroupFailure] = []
        self.not_started: list[Group] = []

    def outcomes(self, run_group: RunGroup) -> Generator[Any, None, None]:
        """Yield what the groups emit, live; returns when none is running and none can start.

        Groups start one another, so that none waits for what is done with outcomes here.

        Closing the iterator, or an interrupt that is raised in it, stops every worker first. Who
        iterates has to close it (`contextlib.closing`): an interrupt may as well be raised there.
        """
        ended = 0
        try:
            with self._lock:
                self._start_ready(run_group)
            # A group starts those that follow it before it says that it has ended.
            while ended < self._begun:
                item = self._queue.get()
                if isinstance(item, _Ended):
                    ended += 1
                    if item.error is not None:
                        self.failures.append(GroupFailure(item.group, item.error))
                else:
                    yield item
        finally:
            with self._lock:
                self._stop.set()
                threads = list(self._running.values())
            for thread in threads:
                thread.join()
        self.not_started = list(self._waiting.values())

    def _start_ready(self, run_group: RunGroup) -> None:
        """Start what can be started; the lock is held."""
        if self._stop.is_set():
            return
        for group in list(self._waiting.values()):
            if len(self._running) >= self._max_concurrent:
                return
            if self._done.issuperset(group.upstream) and self._tag_limits.admit(
                group.name, self._running
            ):
                self._running[group.name] = self._start(run_group, group)
                self._begun += 1
                del self._waiting[group.name]

    def _start(self, run_group: RunGroup, group: Group) -> threading.Thread:
        # A daemon: should nobody close the iterator, the process must end all the same, and its
        # end ends the workers. The threads of a pool would keep it alive, and them with it.
        thread = threading.Thread(
            target=self._run, args=(run_group, group), name=f"kedro-{group.name}", daemon=True
        )
        thread.start()
        return thread

    def _run(self, run_group: RunGroup, group: Group) -> None:
        error: BaseException | None = None
        try:
            if not self._stop.is_set():
                run_group(group, self._queue.put, self._stop)
        except BaseException as raised:  # noqa: BLE001 - handed to the step's thread
            error = raised
        with self._lock:
            del self._running[group.name]
            if error is None:
                self._done.add(group.name)
            try:
                self._start_ready(run_group)
            except RuntimeError as raised:  # there is no room for another thread
                error = error or raised
        self._queue.put(_Ended(group, error))
