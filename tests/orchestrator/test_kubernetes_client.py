"""The Kubernetes client as `dagster.yml` and a run describe it; tests/bridge runs real pods."""

import re
from pathlib import Path

import msgspec
import pytest
from dagster_kedro.clients.base import WorkerExit, WorkerLaunch, WorkerOverrides
from dagster_kedro.clients.directory import make_client
from dagster_kedro.clients.kubernetes import KedroK8sClient
from dagster_kedro.clients.kubernetes.logs import LogBrokenError, LogStream
from dagster_kedro.clients.kubernetes.objects import Pod
from dagster_kedro.clients.kubernetes.pod import as_label, merged_config, pod_name
from dagster_kedro.clients.kubernetes.reasons import how_it_ended, pending
from dagster_kedro.errors import WorkerNotStartedError
from dagster_kedro.running.workers import overrides_of
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration.root import read_orchestration
from kedro_manifest.settings.workers import WorkerSettings

SAID = {
    "image": "flights:1",
    "namespace": "flights",
    "kubeconfig": "/etc/kube",
    "context": "production",
    "pull": "always",
    "image_pull_secrets": ["registry"],
    "service_account": "workers",
    "resources": {"cpus": 1.5, "memory": "4g", "shm_size": "1g", "gpus": 1},
    "env": {"COLOUR": "blue"},
    "pass_env": ["AWS_*"],
    "env_secrets": ["warehouse"],
    "env_config_maps": ["settings"],
    "labels": {"team": "flights"},
    "pod": {
        "container_config": {"workingDir": "/srv"},
        "pod_spec_config": {"node_selector": {"disk": "fast"}},
        "pod_template_spec_metadata": {"annotations": {"spot": "yes"}},
    },
    "python": "/opt/python",
    "project_dir": "/srv/flights",
    "mount_project": True,
    "grace_s": 3.5,
    "lease_s": 30.0,
    "requests_per_s": 12.5,
    "limits": {"schedule_s": 10.0, "pull_s": 20.0, "start_s": 30.0},
}


def read(**settings):
    return read_orchestration({"clients": {"far": {"type": "k8s", **settings}}}).clients["far"]


def test_every_setting_reaches_the_client():
    """What stands in `dagster.yml` is what the client is made with."""
    client = make_client("far", read(**SAID))

    assert isinstance(client, KedroK8sClient)
    assert SAID == {key: getattr(client, key) for key in SAID}


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({}, "image"),
        ({"image": "x", "resources": {"memory": "much"}}, "resources.memory"),
        ({"image": "x", "pod": {"containers": []}}, "pod"),
        ({"image": "x", "limits": {"pull_s": 0}}, "limits.pull_s"),
        ({"image": "x", "lease_s": -1}, "lease_s"),
        ({"image": "x", "requests_per_s": 0}, "requests_per_s"),
    ],
    ids=str,
)
def test_wrong_entries(settings, place):
    """A setting that no pod has is refused when `dagster.yml` is read."""
    with pytest.raises(OrchestrationError, match=rf"clients\.far.*{place}"):
        read(**settings)


def test_a_group_goes_into_its_client():
    """Raw settings of a group go into those of its client, in either spelling."""
    said = read_orchestration({"groups": {"fit": {"nodes": ["fit"], "pod": SAID["pod"]}}})
    of_group = overrides_of(WorkerSettings(pod=said.groups["fit"].pod))
    of_client = {
        "pod_spec_config": {"nodeSelector": {"zone": "a"}, "tolerations": [{"key": "gpu"}]},
        "container_config": {"working_dir": "/elsewhere"},
    }
    merged = merged_config(of_client, of_group.pod)

    assert SAID["pod"] == of_group.pod
    assert {"zone": "a", "disk": "fast"} == merged["pod_spec_config"]["nodeSelector"]
    assert [{"key": "gpu"}] == merged["pod_spec_config"]["tolerations"]
    assert "/srv" == merged["container_config"]["workingDir"]
    assert {"annotations": {"spot": "yes"}} == merged["pod_template_spec_metadata"]


def test_unknown_raw_setting():
    """What the API does not know is refused before anything is created."""
    with pytest.raises(WorkerNotStartedError, match=r"`pod_spec_config` of `pod` .*node_selektor"):
        merged_config({"pod_spec_config": {"node_selektor": {}}})


def launch(group="fit", run_id="1", attempt="a", step="shop_assets"):
    extras = {"kedro_pipes": {"kedro_run_id": attempt}}
    context = {"run_id": run_id, "retry_number": 0, "job_name": "nightly", "extras": extras}
    return WorkerLaunch(
        group=group, step=step, context_data=context, project_dir=Path("/p"), python=None
    )


def test_a_pod_is_named_after_its_attempt():
    """The same attempt has the same name, so that it is found again; any other has another."""
    names = [
        pod_name(launch()),
        pod_name(launch(attempt="b")),
        pod_name(launch(run_id="2")),
        pod_name(launch(group="Größe / x_y" * 10)),
        pod_name(launch(step="shop_late")),
    ]

    assert names[0] == pod_name(launch())
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name) for name in names)
    assert all(len(name) <= 63 for name in names)
    assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?", as_label("größe / x" * 20))


def pod(worker=None, **status):
    statuses = [{"name": "worker", "image": "x", "state": worker}] if worker else []
    body = {
        "metadata": {"name": "p", "uid": "u", "deletionTimestamp": status.pop("deleting", None)},
        "status": {"containerStatuses": statuses, **status},
    }
    return msgspec.convert(body, Pod)


def ended(code, reason="Error"):
    return {"terminated": {"exitCode": code, "reason": reason}}


def disrupted(reason):
    return [{"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "words"}]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (pod({"running": {}}), None),
        (pod(ended(0)), WorkerExit(code=0)),
        (pod(ended(0), deleting="now"), WorkerExit(code=0)),
        (pod(ended(3)), WorkerExit(code=3)),
        (pod(ended(137)), WorkerExit(signal=9)),
        (
            pod(ended(137, "OOMKilled")),
            WorkerExit(signal=9, out_of_memory=True, peak_memory_bytes=7),
        ),
        (
            pod(phase="Failed", reason="Evicted", message="low on memory"),
            WorkerExit(taken="evicted", cure="Kubernetes says: low on memory."),
        ),
        (
            pod(ended(143), deleting="now", conditions=disrupted("PreemptionByScheduler")),
            WorkerExit(taken="preempted", cure="Kubernetes says: words."),
        ),
        (
            pod(ended(143), conditions=disrupted("TerminationByKubelet"), phase="Failed"),
            WorkerExit(taken="evicted", cure="Kubernetes says: words."),
        ),
        (
            pod(phase="Failed", reason="DeadlineExceeded", message="too old"),
            WorkerExit(overdue=True, cure="Kubernetes says: too old."),
        ),
        (
            pod(ended(143), deleting="now"),
            WorkerExit(lost="lost its pod, which somebody has deleted,"),
        ),
        (
            pod({"running": {}}, deleting="now", conditions=disrupted("DeletionByTaintManager")),
            WorkerExit(lost="lost its node, of which the cluster hears nothing any more,"),
        ),
        (
            pod(phase="Failed", reason="UnexpectedAdmissionError"),
            WorkerExit(lost="ended, and its pod tells no exit code (UnexpectedAdmissionError),"),
        ),
    ],
    ids=str,
)
def test_how_it_ended(state, expected):
    """What a pod's status says becomes an end of its own kind, and none too early."""
    assert expected == how_it_ended(state, is_deleted=False, memory_bytes=7)


def test_what_it_waits_for():
    """A pod that does not run yet tells in which stage it is, in the cluster's words."""
    unscheduled = [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no"}
    ]
    scheduled = [{"type": "PodScheduled", "status": "True"}]
    pulling = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off"}}
    never = {"waiting": {"reason": "InvalidImageName"}}

    assert ("scheduling", "Unschedulable: no") == stage(pod(conditions=unscheduled))
    assert ("pulling", "ImagePullBackOff: Back-off") == stage(pod(pulling, conditions=scheduled))
    assert pending(pod(never, conditions=scheduled)).is_final
    assert pending(pod({"running": {}})) is None


def stage(state):
    found = pending(state)
    return found.stage, found.words


class Server:
    """A log, whose connections end where they are told to."""

    def __init__(self, lines, cuts):
        self._lines = lines
        self._cuts = list(cuts)
        self.asked = []

    def read_log(self, *, since, follow, silence_s):  # noqa: ARG002
        """Yield the lines since a second, cut off in the middle of one where told so."""
        self.asked.append(since)
        oldest = (since or "").removesuffix("Z").encode()
        data = b"".join(line for line in self._lines if line >= oldest)
        if self._cuts:
            yield data[: self._cuts.pop(0)]
            raise LogBrokenError
        yield data


@pytest.mark.parametrize("cuts", [[], [0], [10], [700, 650, 10], [1000, 300, 301, 302]])
def test_a_log_over_connections_that_break(cuts):
    """Every line arrives once, alike ones of the same time too, wherever connections break."""
    times = [f"2026-11-01T12:00:{number // 10:02d}.5Z" for number in range(60)]
    lines = [f"{time} same\n".encode() for time in times]
    lines += [b"2026-11-01T12:00:06.5Z the end without a break"]
    server = Server(lines, cuts)
    stream = LogStream(server.read_log, lambda _: True, lambda _: True)
    read = b"".join(iter(stream.read, b""))

    assert b"same\n" * 60 + b"the end without a break" == read
    assert len(server.asked) == len(cuts) + 1


def test_overrides():
    """A run may choose image, resources and raw settings of its pods."""
    client = KedroK8sClient(image="x")
    overrides = WorkerOverrides(image="y", resources={"cpus": 1}, pod={"container_config": {}})

    assert set(overrides.given()) <= client.overridable()
