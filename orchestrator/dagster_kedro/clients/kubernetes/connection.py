"""What the workers of one run in one process share: the connection, the watch, the leases.

Hundreds of workers cost one watch and one thread that keeps leases, besides a log each.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from dagster_kedro.clients.kubernetes.api import KubernetesApi
from dagster_kedro.clients.kubernetes.leases import LeaseKeeper
from dagster_kedro.clients.kubernetes.watch import PodWatch


class ClusterAddress(msgspec.Struct, frozen=True):
    """How a cluster is reached."""

    kubeconfig: str | None
    context: str | None
    namespace: str | None
    requests_per_s: float


class Connection:
    """To one cluster, for the pods of one run.

    Args:
        address: How it is reached.
        selector: Labels of the pods.
    """

    def __init__(self, address: ClusterAddress, selector: str) -> None:
        self.api = KubernetesApi(
            address.kubeconfig, address.context, address.namespace, address.requests_per_s
        )
        self.owner = self.api.own_pod()
        self.watch = PodWatch(self.api, selector)
        self.leases = LeaseKeeper(self.api)
        self.users = 0

    def close(self) -> None:
        """End all of it."""
        self.leases.close()
        self.watch.close()
        self.api.close()


class _Connections:
    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Have none."""
        self.open: dict[tuple[ClusterAddress, str], Connection] = {}
        self.lock = threading.Lock()


_connections = _Connections()
# What a process forks has none of its threads.
os.register_at_fork(after_in_child=_connections.begin)


@contextmanager
def connected(address: ClusterAddress, selector: str) -> Iterator[Connection]:
    """Yield the connection that the workers of a run share.

    Raises:
        WorkerNotStartedError: Nothing says how the cluster is reached.
    """
    key = (address, selector)
    with _connections.lock:
        connection = _connections.open.get(key)
        if connection is None:
            connection = _connections.open[key] = Connection(address, selector)
        connection.users += 1
    try:
        yield connection
    finally:
        with _connections.lock:
            connection.users -= 1
            is_last = connection.users == 0
            if is_last:
                del _connections.open[key]
        if is_last:
            connection.close()
