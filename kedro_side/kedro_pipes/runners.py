"""Kedro's runners, as a group asks for them.

Knows runners and tasks, not what is reported of them.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

from kedro.pipeline.node import Node
from kedro.runner import AbstractRunner, SequentialRunner, Task, ThreadRunner
from kedro_manifest.invocation import Invocation

Watch = Callable[[Node], AbstractContextManager[None]]
"""Stands around everything that a node does in its thread."""


def make_runner(invocation: Invocation, watch: Watch) -> AbstractRunner:
    """Return the runner that an invocation asks for; `watch` sees the nodes of a thread runner."""
    if invocation.runner == "thread":
        return WatchedThreadRunner(watch)
    return SequentialRunner(is_async=invocation.is_async)


class WatchedThreadRunner(ThreadRunner):
    """Kedro's thread runner, with somebody told of each node from its first to its last step.

    Kedro's hooks do not tell that: a generator node or one that confirms goes on after its last
    hook, and an error while loading or saving has none.
    """

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def _get_executor(self, max_workers: int) -> Executor:
        """Return the pool: every runner has to have this method."""
        return _WatchedPool(max_workers, self._watch)


class _WatchedPool(ThreadPoolExecutor):
    def __init__(self, max_workers: int, watch: Watch) -> None:
        super().__init__(max_workers=max_workers)
        self._watch = watch

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit one task of Kedro."""
        if isinstance(fn, Task):
            return super().submit(self._run, fn)
        return super().submit(fn, *args, **kwargs)

    def _run(self, task: Task) -> Any:
        with self._watch(task.node):
            return task()
