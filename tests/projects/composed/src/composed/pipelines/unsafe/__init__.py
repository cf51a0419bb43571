"""A value that no other process can be given."""

import threading

from kedro.pipeline import node, pipeline


def make_lock():
    """Return a lock."""
    return threading.Lock()


def use(lock):
    """Say whether the lock is free."""
    return lock.acquire(blocking=False)


def create_pipeline():
    """Return the pipeline."""
    return pipeline(
        [
            node(make_lock, None, "lock", name="make_lock"),
            node(use, "lock", "free", name="use_lock"),
        ]
    )
