"""Kedro's runners, as a group asks for them.

Knows runners and tasks, not what is reported of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

from kedro.pipeline.node import Node
from kedro.runner import AbstractRunner, SequentialRunner, Task, ThreadRunner
from kedro_manifest.errors import KedroPipesError
from kedro_manifest.invocation import Invocation

Watch = Callable[[Node], AbstractContextManager[None]]
"""Stands around everything that a node does in its thread."""


class AsynchronousGeneratorError(KedroPipesError):
    """A group is to load and save asynchronously, and one of its nodes yields chunks.

    Cure: leave `is_async` out of the group in `dagster.yml`, or the node out of the group.
    """


def make_runner(invocation: Invocation, nodes: Mapping[str, Node], watch: Watch) -> AbstractRunner:
    """Return the runner that an invocation asks for; `watch` sees the nodes of a thread runner.

    Raises:
        AsynchronousGeneratorError: Kedro would refuse a node, but only when its turn comes.
    """
    if invocation.is_async:
        for name, node in nodes.items():
            if inspect.isgeneratorfunction(node.func):
                raise AsynchronousGeneratorError(
                    f"Cannot run node '{name}' with `is_async`: it yields chunks, which Kedro saves "
                    "one after the other only. Leave `is_async` out of its group in dagster.yml, "
                    "or take the node out of the group."
                )
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
