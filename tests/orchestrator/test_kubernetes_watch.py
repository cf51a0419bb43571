"""What the watch has heard of a pod counts, whoever of us is told first that the pod is there."""

import threading

import pytest
from dagster_kedro.clients.kubernetes.objects import Metadata, Pod, PodList, Status
from dagster_kedro.clients.kubernetes.watch import PodWatch


def pod(phase, version):
    return Pod(
        metadata=Metadata(name="one", uid="1", resource_version=str(version)),
        status=Status(phase=phase),
    )


class Cluster:
    """Says of one pod what it is told to, and then nothing more until it is ended."""

    def __init__(self, listed, changes):
        self._listed = listed
        self._changes = changes
        self._ended = threading.Event()
        self.has_told = threading.Event()

    def list_pods(self, _selector):
        """Return what is there at first."""
        return PodList(metadata=Metadata(resource_version="1"), items=self._listed)

    def watch_pods(self, _selector, _version, timeout_s):
        """Yield what happens, and wait then."""
        yield from self._changes
        self.has_told.set()
        self._ended.wait(timeout_s)

    def end_watch(self):
        """Wait no longer."""
        self._ended.set()


@pytest.mark.parametrize(
    ("listed", "changes"),
    [
        ([pod("Running", 2)], []),
        ([], [("ADDED", pod("Pending", 2)), ("MODIFIED", pod("Running", 3))]),
    ],
    ids=["listed", "changed"],
)
def test_heard_before_it_is_followed(listed, changes):
    """The answer to a creation may come later than what has become of the pod."""
    cluster = Cluster(listed, changes)
    watch = PodWatch(cluster, "run=1")
    assert cluster.has_told.wait(5)
    watched = watch.track(pod("Pending", 1))
    watch.close()

    assert "Running" == watched.pod.status.phase
