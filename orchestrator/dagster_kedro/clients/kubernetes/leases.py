"""Tells workers that their orchestrator lives, over the standard input of their containers.

A worker that hears nothing for its lease ends itself. A connection that breaks is opened again, so
that neither it nor a new API server ends a worker. Knows neither pods' states nor messages.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from dagster_kedro.clients.kubernetes.api import KubernetesApi
from dagster_kedro.clients.kubernetes.errors import (
    ApiRefusedError,
    ApiUnreachableError,
)
from dagster_kedro.clients.kubernetes.input import Attached

_BEATS_PER_LEASE = 4
_BEAT, _ALL_IS_WELL = "\n", "."
_CONNECTORS = 4
_RETRY_S = 1.0
_LOOK_EVERY_S = 0.2
_LAST_WORD_S = 5.0


class Lease:
    """Of one container.

    Args:
        pod: Name of its pod.
        container: Its name.
        lease_s: Seconds without a beat after which it ends itself.
    """

    def __init__(self, pod: str, container: str, lease_s: float) -> None:
        self.pod = pod
        self.container = container
        self.beat_every_s = lease_s / _BEATS_PER_LEASE
        self.next_at = 0.0
        self.connecting: Future[Attached] | None = None
        self.attached: Attached | None = None
        self.refusal: str | None = None
        """What the API says if we may not attach."""


class LeaseKeeper:
    """Keeps leases, in one thread for all of them and a few that open connections.

    Args:
        api: Where the pods are.
    """

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api
        self._leases: set[Lease] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._connectors = ThreadPoolExecutor(_CONNECTORS, thread_name_prefix="kedro-attach")
        self._thread = threading.Thread(target=self._run, daemon=True, name="kedro-leases")
        self._thread.start()

    def keep(self, lease: Lease) -> None:
        """Begin to keep a lease, of a container that runs."""
        with self._lock:
            self._leases.add(lease)

    def end(self, lease: Lease) -> None:
        """Keep a lease no more, and say that all is well."""
        with self._lock:
            self._leases.discard(lease)
        if lease.attached is not None:
            with suppress(ApiUnreachableError):  # the container has ended, or will be deleted
                lease.attached.send(_ALL_IS_WELL)
            lease.attached.close()

    def close(self) -> None:
        """End the threads."""
        self._closed.set()
        self._thread.join(_LAST_WORD_S)
        self._connectors.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        while not self._closed.wait(_LOOK_EVERY_S):
            now = time.monotonic()
            with self._lock:
                due = [each for each in self._leases if each.next_at <= now]
                for lease in due:
                    self._beat(lease, now)

    def _beat(self, lease: Lease, now: float) -> None:
        lease.next_at = now + min(_RETRY_S, lease.beat_every_s)
        if lease.connecting is not None:
            if not lease.connecting.done():
                return
            lease.attached = self._connected(lease, lease.connecting)
            lease.connecting = None
        if lease.attached is None:
            if lease.refusal is None:
                lease.connecting = self._connectors.submit(
                    self._api.attach_input, lease.pod, lease.container
                )
                lease.next_at = now
            return
        try:
            lease.attached.send(_BEAT)
            lease.next_at = now + lease.beat_every_s
        except ApiUnreachableError:
            lease.attached.close()
            lease.attached = None

    def _connected(self, lease: Lease, future: Future[Attached]) -> Attached | None:
        try:
            return future.result()
        except ApiRefusedError as error:
            if error.code in (401, 403):
                lease.refusal = str(error)
        except ApiUnreachableError:
            pass
        except Exception as error:  # noqa: BLE001 - the leases of others have to be kept
            lease.refusal = f"{type(error).__name__}: {error}"
        return None
