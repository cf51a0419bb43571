"""Run the groups of a plan concurrently inside one step, each as soon as its inputs exist.

One thread waits for each running worker and hands everything to the step's own thread through
one queue, so that only that thread talks to Dagster. Knows groups and outcomes, no assets.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Generator
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
        self.failures: list[GroupFailure] = []
        self.not_started: list[Group] = []

    def outcomes(self, run_group: RunGroup) -> Generator[Any, None, None]:
        """Yield what the groups emit, live; returns when none is running and none can start.

        Closing the iterator, or an interrupt that is raised in it, stops every worker first. Who
        iterates has to close it (`contextlib.closing`): an interrupt may as well be raised there.
        """
        waiting = {group.name: group for group in self._plan.groups}
        running: dict[str, threading.Thread] = {}
        done: set[str] = set()
        try:
            while True:
                for group in self._ready(waiting, done):
                    if self._has_room(group, running):
                        del waiting[group.name]
                        running[group.name] = self._start(run_group, group)
                if not running:
                    break
                item = self._queue.get()
                if not isinstance(item, _Ended):
                    yield item
                    continue
                del running[item.group.name]
                if item.error is None:
                    done.add(item.group.name)
                else:
                    self.failures.append(GroupFailure(item.group, item.error))
        finally:
            self._stop.set()
            for thread in running.values():
                thread.join()
        self.not_started = list(waiting.values())

    def _ready(self, waiting: dict[str, Group], done: set[str]) -> list[Group]:
        return [group for group in waiting.values() if done.issuperset(group.upstream)]

    def _has_room(self, group: Group, running: Collection[str]) -> bool:
        return len(running) < self._max_concurrent and self._tag_limits.admit(group.name, running)

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
        self._queue.put(_Ended(group, error))
