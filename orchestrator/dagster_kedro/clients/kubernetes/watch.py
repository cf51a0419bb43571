"""One watch for all pods of a run: what each of them is, at every moment.

A watch that breaks is opened where it was; where the server has forgotten that place (410), the
pods are listed anew. Knows pods, and not what they are for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from dagster_kedro.clients.kubernetes.api import KubernetesApi
from dagster_kedro.clients.kubernetes.errors import (
    FORBIDDEN,
    GONE,
    UNAUTHORIZED,
    ApiRefusedError,
    ApiUnreachableError,
)
from dagster_kedro.clients.kubernetes.objects import Pod, PodList

_WATCH_S = 55
"""After which the server ends a watch by itself; one that is silent for longer is dead."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_JOIN_S = 1.0


class WatchedPod:
    """A pod as the watch knows it.

    Args:
        pod: As it was created, or found.
        on_change: Is called after each change, by the thread of the watch.
    """

    def __init__(self, pod: Pod, on_change: Callable[[], object]) -> None:
        self.pod = pod
        self.is_deleted = False
        self.tracked_at = time.monotonic()
        # Of its own: what happens to one of hundreds of pods wakes nobody who waits for another.
        self._changed = threading.Condition()
        self._on_change = on_change

    def update(self, pod: Pod, *, is_deleted: bool) -> None:
        """Take what has become of it, and wake who waits for that."""
        with self._changed:
            self.pod = pod
            self.is_deleted |= is_deleted
            self._changed.notify_all()
        self._on_change()

    def wait_for(self, is_met: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until something is so, looking at each change; return whether it is."""
        with self._changed:
            return self._changed.wait_for(is_met, timeout_s)


class PodWatch:
    """Watches the pods with some labels, in a thread of its own.

    Args:
        api: Where they are.
        selector: Their labels.
    """

    def __init__(self, api: KubernetesApi, selector: str) -> None:
        self._api = api
        self._selector = selector
        self._pods: dict[str, WatchedPod] = {}
        # What was heard before the answer to a creation: of a pod that waits, nothing more may come.
        self._early: dict[str, Pod] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._trouble: tuple[float, str] | None = None
        self.refusal: str | None = None
        """What the API says if we may not look at pods."""
        self._thread = threading.Thread(target=self._run, daemon=True, name="kedro-pods")
        self._thread.start()

    @property
    def trouble(self) -> tuple[float, str] | None:
        """Since when, by the monotonic clock, nothing can be heard, and why; None if all is well."""
        return self._trouble

    def track(self, pod: Pod, on_change: Callable[[], object] = lambda: None) -> WatchedPod:
        """Begin to follow a pod; something is called after each change."""
        uid = pod.metadata.uid
        with self._lock:
            watched = self._pods[uid] = WatchedPod(self._early.pop(uid, pod), on_change)
        return watched

    def forget(self, watched: WatchedPod) -> None:
        """Follow a pod no more."""
        with self._lock:
            self._pods.pop(watched.pod.metadata.uid, None)

    def close(self) -> None:
        """End the watch, and its thread."""
        self._closed.set()
        self._api.end_watch()
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        version = ""
        while not self._closed.is_set():
            began_at = time.monotonic()
            try:
                version = version or self._list(began_at)
                for each in self._watch(version):
                    version = each
                    pause_s = _FIRST_PAUSE_S
                    if self._closed.is_set():
                        return
                if time.monotonic() - began_at > pause_s:
                    continue
            except ApiRefusedError as error:
                version = ""  # whatever it is, a list shows what is there
                if error.code in (UNAUTHORIZED, FORBIDDEN):
                    self.refusal = str(error)
                elif error.code == GONE:
                    continue
                self._note(str(error))
            except ApiUnreachableError as error:
                self._note(str(error))
            if self._closed.wait(pause_s):
                return
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _note(self, words: str) -> None:
        self._trouble = self._trouble or (time.monotonic(), words)

    def _list(self, began_at: float) -> str:
        listed: PodList = self._api.list_pods(self._selector)
        there = {pod.metadata.uid: pod for pod in listed.items}
        with self._lock:
            tracked = list(self._pods.items())
            self._early = {uid: pod for uid, pod in there.items() if uid not in self._pods}
        for uid, watched in tracked:
            if uid in there:
                watched.update(there[uid], is_deleted=False)
            elif watched.tracked_at < began_at:
                watched.update(watched.pod, is_deleted=True)
        return listed.metadata.resource_version

    def _watch(self, version: str) -> Iterator[str]:
        changes = self._api.watch_pods(self._selector, version, _WATCH_S)
        self._trouble = None
        yield version
        for kind, pod in changes:
            if kind != "BOOKMARK":
                self._take(kind, pod)
            yield pod.metadata.resource_version

    def _take(self, kind: str, pod: Pod) -> None:
        uid = pod.metadata.uid
        with self._lock:
            watched = self._pods.get(uid)
            if watched is None and kind != "DELETED":
                self._early[uid] = pod
            else:
                self._early.pop(uid, None)
        if watched is not None:
            watched.update(pod, is_deleted=kind == "DELETED")
