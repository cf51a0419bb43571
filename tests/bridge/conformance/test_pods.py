"""What can go wrong with pods and their API only: each with its reason, and nothing left behind.

Most rows are for the double: what happens to a cluster cannot be asked of a real one.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time

import msgspec
import pytest
from conformance_clients import TOKEN, KubernetesUnderTest, ask_double
from conformance_webserver import Webserver
from dagster_kedro.clients.base import WorkerLaunch
from dagster_kedro.clients.kubernetes.api import owner_reference
from kedro_manifest.labels import GROUP_LABEL, KUBERNETES_RUN_LABEL, PROCESS_LABEL

DEFINITIONS = """\
import dagster as dg
from dagster_kedro import KedroOpSpec, KedroPipesResource, KedroProject, build_definitions

of_op = {{"container_config": {{"env": [{{"name": "COLOUR", "value": "of the op"}}]}}}}
of_job = {{"pod_template_spec_metadata": {{"annotations": {{"told": "by the job"}}}}}}
tagged = dg.define_asset_job("tagged", ["outcome"], tags={{"dagster-k8s/config": of_job}})
defs = dg.Definitions.merge(
    dg.Definitions(jobs=[tagged]),
    build_definitions(
        KedroProject({folder!r}, python={python!r}),
        resource=KedroPipesResource(client={client}, parameters={{"behaviour": "hang"}}),
        op=KedroOpSpec(tags={{"dagster-k8s/config": of_op}}),
    ),
)
"""
INSTANCE = """\
run_coordinator:
  module: dagster._core.run_coordinator
  class: DefaultRunCoordinator
"""
pytestmark = pytest.mark.k8s
# A real node takes seconds for its first container, and for telling of a volume.
FAST = {"schedule_s": 1, "pull_s": 1, "start_s": 15 if "TESTS_ON_CLUSTER" in os.environ else 1}


@pytest.fixture
def bridge(make_bridge):
    """A bridge through pods; whatever it started is gone after, ended pods too."""
    made = make_bridge(KubernetesUnderTest("k8s-stdout", "stdout"))
    tell(faults=[])  # starts the double too, before there are threads
    yield made
    tell(faults=[])
    assert made.leftovers() == []
    assert made.adapter.pods(made.token) == []
    assert not [each for each in threading.enumerate() if each.name == "kedro-pods"]


@pytest.fixture
def double():
    """The double, where these tests are not run on a real cluster."""
    if "TESTS_ON_CLUSTER" in os.environ:
        pytest.skip("has to be done to the cluster itself: leave out --k8s to do it to the double")


def run(bridge, behaviour="fine", *, raw=None, **options):
    """Run one node in a pod with some settings, raw ones besides those of the tests."""
    said = bridge.adapter.options(bridge.token, **options)
    for part, given in (raw or {}).items():
        had = said["pod"].get(part, {})
        both = {
            key: had[key] + each for key, each in given.items() if isinstance(had.get(key), list)
        }
        said["pod"] = {**said["pod"], part: {**had, **given, **both}}
    client = bridge.adapter.client(bridge.token, **{**options, "pod": said["pod"]})
    return bridge.run(behaviour=behaviour, client=client)


def tell(faults):
    """Have requests of the double fail."""
    if "TESTS_ON_CLUSTER" not in os.environ:
        ask_double("faults", list=faults)


def meanwhile(bridge, act):
    """Do something to the pod once its node has begun to hang; return the thread."""
    bridge.project_dir  # noqa: B018 - the thread makes no copy

    def wait_and_act():
        eventually((bridge.project_dir / "data/hanging").exists)
        (pod,) = bridge.adapter.pods(bridge.token)
        act(pod)

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


def lines_of(finished):
    return [
        int(number)
        for _, text in finished.logged
        for number in re.findall(r"misbehaving\.nodes: line (\d+)", text)
    ]


@pytest.mark.parametrize(
    ("options", "raw", "reason"),
    [
        ({"image": "localhost:1/no-such-image:1"}, {}, "ErrImagePull"),
        ({"image": "localhost:1/no-such:1", "pull": "never"}, {}, "ErrImageNeverPull"),
        ({"image": "No Such Image"}, {}, "InvalidImageName"),
        (
            {"env_secrets": ["no-such-secret"]},
            {},
            'CreateContainerConfigError: secret "no-such-secret" not found',
        ),
        (
            {},
            {"pod_spec_config": {"node_selector": {"zone": "moon"}}},
            "Unschedulable: 0/1 nodes are available: 1 node(s) didn't match",
        ),
        ({"resources": {"cpus": 1000}}, {}, "Insufficient cpu"),
        ({"resources": {"gpus": 1}}, {}, "Insufficient nvidia.com/gpu"),
        (
            {},
            {
                "pod_spec_config": {"volumes": [{"name": "v", "config_map": {"name": "none"}}]},
                "container_config": {"volume_mounts": [{"name": "v", "mount_path": "/v"}]},
            },
            'FailedMount: MountVolume.SetUp failed for volume "v" : configmap "none" not found',
        ),
        ({"python": "no-such-python"}, {}, "no-such-python"),
        (
            {},
            {"pod_spec_config": {"init_containers": [{"name": "first", "command": ["false"]}]}},
            "init container 'first' exited with code 1",
        ),
        ({}, {"container_config": {"no_such_setting": 1}}, "no_such_setting"),
        ({}, {"pod_spec_config": {"hostAliases": "x"}}, "host_aliases"),
        ({"resources": {"memory": "much"}}, {}, "`cpus`, `memory`, `shm_size`, `gpus`"),
        ({"resources": {"gpus": "all"}}, {}, "Cannot ask Kubernetes for GPUs 'all'"),
        ({"kubeconfig": "/no/such/file"}, {}, "Cannot find a Kubernetes cluster"),
        ({"limits": {"whenever": 1}}, {}, "`schedule_s`, `pull_s`, `start_s`"),
    ],
    ids=str,
)
def test_not_started(bridge, options, raw, reason):
    """What keeps a pod from running is told in the cluster's own words, soon, with what to do."""
    for init in raw.get("pod_spec_config", {}).get("init_containers", []):
        init["image"] = bridge.adapter.options(bridge.token)["image"]
    finished = run(bridge, raw=raw, **{"limits": FAST, **options})

    assert not finished.success
    assert reason in finished.error


def test_deleted_by_hand(bridge):
    """A pod that somebody deletes fails its group at once, and says so."""
    api = bridge.adapter.api()
    thread = meanwhile(bridge, lambda pod: api.delete_pod(pod.metadata.name, None, 1))
    finished = run(bridge, "hang")
    thread.join()

    assert not finished.success
    assert "WorkerLostError" in finished.error
    assert "lost its pod, which somebody has deleted," in finished.error


def test_deadline(bridge):
    """A pod that Kubernetes ends for its age has timed out."""
    finished = run(bridge, "hang", raw={"pod_spec_config": {"active_deadline_seconds": 6}})

    assert not finished.success
    assert "WorkerTimedOutError" in finished.error
    assert "Pod was active on the node longer than the specified deadline" in finished.error


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(
    ("what", "kind", "reason"),
    [
        ("evict", "WorkerEvictedError", "The node was low on resource: memory"),
        ("preempt", "WorkerPreemptedError", "to accommodate a higher priority pod"),
        ("lose-node", "WorkerLostError", "lost its node, of which the cluster hears nothing"),
    ],
)
def test_taken_away(bridge, what, kind, reason):
    """What the cluster does to a pod is a failure of its own kind, in the cluster's words."""
    thread = meanwhile(bridge, lambda pod: ask_double(what, name=pod.metadata.name, message=reason))
    finished = run(bridge, "hang")
    thread.join()

    assert not finished.success
    assert kind in finished.error
    assert reason in finished.error


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(
    "fault",
    [
        {"method": "POST", "path": "/pods", "status": 429, "headers": {"Retry-After": "1"}},
        {"method": "POST", "path": "/pods", "status": 500},
        {"method": "POST", "path": "/pods", "status": 500, "after": True},
        {"method": "POST", "path": "/pods", "status": 0},
        {"method": "GET", "path": "watch=", "status": 429},
        {"method": "GET", "path": "watch=", "status": 500},
        {"method": "GET", "path": "labelSelector", "status": 503},
        {"method": "GET", "path": "/log", "status": 500},
        {"method": "GET", "path": "/attach", "status": 500},
        {"method": "DELETE", "path": "/pods", "status": 429},
    ],
    ids=str,
)
def test_passing_faults(bridge, fault):
    """Requests that are throttled, fail or get no answer a few times cost nothing but time."""
    bridge.project_dir  # noqa: B018 - made before the fault
    tell(faults=[{**fault, "times": 1 if fault.get("after") else 2}])
    finished = run(bridge)

    assert finished.success, finished.errors
    assert finished.materialized == ["outcome"]


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(
    ("behaviour", "fault", "reason"),
    [
        ("hang", {"method": "POST", "path": "/pods"}, "Cannot create pod 'kedro-only-"),
        (
            "hang",
            {"method": "GET", "path": "labelSelector"},
            "Cannot follow pod flights/kedro-only-",
        ),
        ("hang", {"method": "GET", "path": "/log"}, "Cannot follow pod flights/kedro-only-"),
        ("fine", {"method": "GET", "path": "/log"}, "Cannot follow pod flights/kedro-only-"),
        ("hang", {"method": "GET", "path": "/attach"}, "refuses to attach"),
    ],
    ids=str,
)
def test_missing_rights(bridge, behaviour, fault, reason):
    """A right that is missing is told at once, with the request that wanted it."""
    tell(faults=[{**fault, "status": 403, "message": "flights is forbidden"}])
    finished = run(bridge, behaviour)

    assert not finished.success
    assert reason in finished.error
    assert "flights is forbidden" in finished.error
    assert "Handshake" not in finished.error  # nor all else that the library says of it


@pytest.mark.usefixtures("double")
def test_missing_right_to_delete(bridge):
    """A pod that may not be deleted is told; its outcome stays what it was."""
    tell(
        faults=[{"method": "DELETE", "path": "/pods", "status": 403, "message": "it is forbidden"}]
    )
    finished = run(bridge)
    tell(faults=[])
    (left,) = bridge.adapter.pods(bridge.token)
    bridge.adapter.api().delete_pod(left.metadata.name, None, 0)

    assert finished.success, finished.errors
    place = f"pod {bridge.adapter.api().namespace}/{left.metadata.name}"
    told = [text for level, text in finished.logged if level == "WARNING" and "delete" in text]
    assert told[0].startswith(f"Cannot delete {place}: the Kubernetes API refuses it (403): it is")
    assert len(told) == 1


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("what", ["break", "forget"])
def test_broken_connections(bridge, what):
    """Watch, log and lease that break, or whose place is forgotten (410), go on without a gap."""
    bridge.project_dir  # noqa: B018 - the thread makes no copy
    over = threading.Event()

    def break_often():
        while not over.wait(0.7):
            ask_double(what)
            ask_double("break")

    thread = threading.Thread(target=break_often)
    thread.start()
    finished = bridge.run(
        behaviour="log_often",
        size=8000,
        # Longer than a machine with much to do takes to connect again.
        client=bridge.adapter.client(bridge.token, lease_s=30.0),
    )
    over.set()
    thread.join()

    assert finished.success, finished.errors
    assert list(range(0, 8000, 20)) == lines_of(finished)


@pytest.mark.usefixtures("double")
def test_lost_log(bridge):
    """Messages that the cluster has thrown away are missed: the group fails, and says which."""

    def lose():
        eventually(lambda: running(bridge))
        (pod,) = running(bridge)
        tell(faults=[{"method": "GET", "path": "/log", "status": 500}])
        ask_double("break")
        (bridge.project_dir / "data/go").touch()
        eventually((bridge.project_dir / "data/outcome.json").exists)
        ask_double("rotate", name=pod.metadata.name)
        tell(faults=[])

    bridge.project_dir  # noqa: B018 - the thread makes no copy
    thread = threading.Thread(target=lose)
    thread.start()
    finished = run(bridge, "wait")
    thread.join()

    assert not finished.success
    assert re.search(r"never arrived|without its closing message", finished.error)


def running(bridge):
    return [pod for pod in bridge.adapter.pods(bridge.token) if pod.status.phase == "Running"]


def eventually(is_so):
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.05)


@pytest.mark.usefixtures("double")
def test_late_events(bridge):
    """A cluster that tells everything a second late changes no verdict."""
    ask_double("late", seconds=1.0)
    try:
        finished = run(bridge)
    finally:
        ask_double("late", seconds=0)

    assert finished.success, finished.errors


@pytest.mark.usefixtures("double")
def test_api_out_of_reach(bridge):
    """An API that stays away for longer than the lease loses the worker, which ends itself."""
    bridge.project_dir  # noqa: B018 - the thread makes no copy

    def cut(_):
        tell(faults=[{"path": ".", "status": 503}])
        ask_double("break")

    thread = meanwhile(bridge, cut)
    finished = run(bridge, "hang")
    thread.join()
    left = bridge.leftovers()
    tell(faults=[])

    assert not finished.success
    assert "is out of reach: the Kubernetes API does not answer" in finished.error
    assert left == []
    for pod in bridge.adapter.pods(bridge.token):
        bridge.adapter.api().delete_pod(pod.metadata.name, None, 0)


def test_sidecar(bridge):
    """A container that never ends stands beside the worker, and goes with it."""
    image = bridge.adapter.options(bridge.token)["image"]
    noise = "while true; do echo ::kedro-pipes:1 nonsense; sleep 0.2; done"
    sidecar = {"name": "beside", "image": image, "command": ["sh", "-c", noise]}
    finished = run(bridge, raw={"pod_spec_config": {"containers": [sidecar]}})

    assert finished.success, finished.errors


def test_what_a_pod_gets(bridge):
    """Labels, limits and raw settings reach the pod as they were said; rights do not."""
    seen = {}

    def look(pod):
        seen["pod"] = bridge.adapter.raw_pod(pod.metadata.name)
        bridge.adapter.api().delete_pod(pod.metadata.name, None, 0)

    thread = meanwhile(bridge, look)
    run(
        bridge,
        "hang",
        resources={"cpus": 0.5, "memory": "300m", "shm_size": "64m"},
        raw={"container_config": {"env": [{"name": "COLOUR", "value": "blue"}]}},
    )
    thread.join()
    spec, metadata = seen["pod"]["spec"], seen["pod"]["metadata"]
    container = spec["containers"][0]

    assert {"cpu": "500m", "memory": "300Mi"} == container["resources"]["limits"]
    assert container["resources"]["limits"] == container["resources"]["requests"]
    assert {"name": "COLOUR", "value": "blue"} in container["env"]
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert ("Never", False) == (spec["restartPolicy"], spec["automountServiceAccountToken"])
    assert "only" == metadata["labels"][GROUP_LABEL]
    assert {"dagster/run-id", "dagster/op", "kedro-pipes/attempt"} <= metadata["labels"].keys()


def test_what_dagster_says_of_pods(bridge, monkeypatch):
    """Tags of op and job, and the code location's container context, reach the pod of a worker."""
    context = {
        "labels": {"told-by": "location"},
        "volumes": [{"name": "scratch", "empty_dir": {}}],
        "volume_mounts": [{"name": "scratch", "mount_path": "/scratch"}],
        "env": [{"name": "COLOUR", "value": "of the location"}],
        "resources": {"limits": {"memory": "1Ki"}},  # of the pod that waits
    }
    monkeypatch.setenv("DAGSTER_CONTAINER_CONTEXT", json.dumps({"k8s": context}))
    client = bridge.adapter.client_source(bridge.token)
    folder, python = str(bridge.project_dir), str(bridge.kedro_python)
    file = bridge.folder / "definitions.py"
    file.write_text(DEFINITIONS.format(folder=folder, python=python, client=client))
    (bridge.folder / "dagster.yaml").write_text(INSTANCE)
    web = Webserver(bridge.folder, [file])
    try:
        run_id = web.launch(file.name, "tagged", {"execution": {"config": {"in_process": {}}}})
        eventually(lambda: running(bridge))
        (pod,) = running(bridge)
        told = bridge.adapter.raw_pod(pod.metadata.name)
        web.cancel(run_id)
        assert "CANCELED" == web.wait(run_id)
    finally:
        web.close()
    worker = told["spec"]["containers"][0]

    colours = [each["value"] for each in worker["env"] if each["name"] == "COLOUR"]
    assert "of the op" == colours[-1]  # the last one counts
    assert {"name": "scratch", "mountPath": "/scratch"} in worker["volumeMounts"]
    assert not worker.get("resources")
    assert "by the job" == told["metadata"]["annotations"]["told"]
    assert ("location", "only") == (
        told["metadata"]["labels"]["told-by"],
        told["metadata"]["labels"][GROUP_LABEL],
    )


def test_taken_over(bridge):
    """An orchestrator that comes back follows the pod that it has left, and keeps it alive."""
    launch = sleeping(bridge)
    client = bridge.adapter.client(bridge.token, lease_s=8.0)
    kill_orchestrator(start_orchestrator(bridge, client, launch))
    (left,) = running(bridge)

    with client.launch(launch) as worker:
        ends_at = time.monotonic() + 10  # longer than its lease
        while time.monotonic() < ends_at:
            assert worker.poll() is None
            time.sleep(0.1)
        (followed,) = running(bridge)
    assert left.metadata.uid == followed.metadata.uid


def test_put_out_before_another(bridge):
    """A pod that has the name and does something else ends in its own time before another begins."""
    client = bridge.adapter.client(bridge.token, lease_s=60.0, grace_s=20.0)
    told = bridge.folder / "told"
    script = (
        f"echo begun >> {told}; trap 'sleep 2; echo ended >> {told}; exit' TERM; sleep 60 & wait"
    )
    launch = msgspec.structs.replace(sleeping(bridge), command=["sh", "-c", script])
    kill_orchestrator(start_orchestrator(bridge, client, launch))
    eventually(told.exists)
    other = {**launch.context_data, "extras": {"text": "something else"}}

    with client.launch(msgspec.structs.replace(launch, context_data=other)):
        eventually(lambda: told.read_text().count("begun") == 2)
        assert ["begun", "ended", "begun"] == told.read_text().split()


def sleeping(bridge, run_id="run", size=0):
    """Return what starts a worker that sleeps, and has been told some text of a size."""
    context = {"run_id": run_id, "retry_number": 0, "job_name": "job", "extras": {}}
    return WorkerLaunch(
        group="only",
        step="step",
        context_data={**context, "extras": {"text": os.urandom(size // 2).hex()}},
        project_dir=bridge.folder,
        python=None,
        command=["sleep", "60"],
    )


def start_orchestrator(bridge, client, launch):
    """Have a process of its own start a worker and wait for it; return its number."""
    orchestrator = os.fork()
    if orchestrator == 0:
        try:
            with client.launch(launch) as worker:
                while worker.poll() is None:
                    time.sleep(0.1)
        finally:
            os._exit(0)
    eventually(lambda: running(bridge))
    return orchestrator


def kill_orchestrator(orchestrator):
    os.kill(orchestrator, signal.SIGKILL)
    os.waitpid(orchestrator, 0)


def sweep(bridge, *arguments):
    """Sweep what is left of the token's run; return the lines that tell of it."""
    if shutil.which("kubectl") is None:
        pytest.skip("no `kubectl`: install it, for instance Debian's kubernetes-client")
    options = bridge.adapter.options(bridge.token)
    kubeconfig = [f"--kubeconfig={options['kubeconfig']}"] if options["kubeconfig"] else []
    command = [str(bridge.kedro_python), "-m", "kedro_pipes", "k8s", "sweep", *arguments]
    done = subprocess.run(
        [*command, f"--run={bridge.token}", *kubeconfig],
        cwd=bridge.folder,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout.splitlines()


def test_sweep(bridge):
    """What a killed orchestrator leaves is told, and removed with its config map; before, nothing is."""
    client = bridge.adapter.client(bridge.token, lease_s=60.0)
    # What it is told goes into a config map.
    orchestrator = start_orchestrator(bridge, client, sleeping(bridge, bridge.token, 200_000))
    (pod,) = running(bridge)
    name = pod.metadata.name
    assert [name] == config_maps(bridge)

    kept = sweep(bridge, "--running")
    assert re.search(
        rf"^{name} +only +step +{bridge.token[:8]} +Running .* kept: the step", kept[1]
    )
    assert "1 kept" == kept[-1]

    kill_orchestrator(orchestrator)
    shown = sweep(bridge, "--dry-run")
    assert re.search(rf"^{name} .* would be removed$", shown[1])
    assert [pod.metadata.uid] == [each.metadata.uid for each in running(bridge)]
    nothing = "Nothing is left: no pod or config map of a worker that is meant."
    assert [nothing] == sweep(bridge, "--older-than", "1h")

    assert "1 removed" == sweep(bridge)[-1]
    assert ([], []) == (bridge.adapter.pods(bridge.token), config_maps(bridge))
    assert [nothing] == sweep(bridge)


def config_maps(bridge):
    """Return the names of a test's config maps."""
    found = bridge.adapter.api()._core.list_namespaced_config_map(
        bridge.adapter.api().namespace, label_selector=f"{TOKEN}={bridge.token}"
    )
    return [each.metadata.name for each in found.items]


@pytest.mark.usefixtures("double")
def test_sweep_of_owned_pods(bridge):
    """A worker of another machine is left once the pod that owns its own has ended."""
    api = bridge.adapter.api()
    client = bridge.adapter.client(bridge.token, lease_s=60.0)
    kill_orchestrator(start_orchestrator(bridge, client, sleeping(bridge, bridge.token)))
    (pod,) = running(bridge)
    image = bridge.adapter.options(bridge.token)["image"]
    owners = {
        name: api.create_pod(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"{name}-{bridge.token[:8]}", "labels": {TOKEN: bridge.token}},
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [{"name": "step", "image": image, "command": command}],
                },
            }
        )
        for name, command in (("ended", ["true"]), ("waiting", ["sleep", "60"]))
    }

    def swept(owner):
        metadata = {
            "annotations": {PROCESS_LABEL: "another-kernel/pid:[1]/1/1"},
            "ownerReferences": [owner_reference(owners[owner])],
        }
        api._core.patch_namespaced_pod(
            pod.metadata.name, api.namespace, {"metadata": metadata}, _preload_content=False
        )
        return sweep(bridge, "--running")[-1]

    assert "1 kept" == swept("waiting")
    eventually(lambda: api.get_pod(owners["ended"].metadata.name).status.phase == "Succeeded")
    assert "1 removed" == swept("ended")
    for each in owners.values():
        api.delete_pod(each.metadata.name, None, 0)


@pytest.mark.usefixtures("double")
def test_sweep_of_config_maps(bridge):
    """One for which a pod has never come is removed once it is a minute old."""
    api = bridge.adapter.api()
    labels = {TOKEN: bridge.token, GROUP_LABEL: "only", KUBERNETES_RUN_LABEL: bridge.token}
    for name in ("kedro-old", "kedro-new"):
        metadata = {"name": name, "labels": labels}
        api.create_config_map({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    age = {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}}  # only a double takes that
    api._core.patch_namespaced_config_map("kedro-old", api.namespace, age)

    swept = sweep(bridge)
    assert re.search(r"^configmap kedro-old +only .* unused \d+d +removed$", swept[1])
    assert "1 removed" == swept[-1]
    assert ["kedro-new"] == config_maps(bridge)
    api.delete_config_map("kedro-new")
