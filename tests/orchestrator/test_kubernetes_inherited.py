"""What tags and container contexts of dagster-k8s say of workers' pods; tests/bridge runs one."""

import json

import dagster as dg
import pytest
from dagster_k8s import K8sRunLauncher
from dagster_kedro.clients.kubernetes.inherited import config_of_step, inherited_config
from dagster_kedro.clients.kubernetes.pod import PodPlan, describe_pod, merged_config
from dagster_kedro.errors import WorkerNotStartedError
from kedro_manifest.orchestration.docker import ContainerResources

KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "one", "cluster": {"server": "http://localhost:1"}}],
    "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
    "users": [{"name": "one", "user": {}}],
    "current-context": "one",
}


def tag(**config):
    return {"dagster-k8s/config": json.dumps(config)}


def container(**config):
    return tag(container_config=config)


def inherited(launcher=None, context=None, **tags):
    """Return what is inherited, as the API spells it."""
    return merged_config(
        inherited_config(launcher=launcher, container_context=context, tags=tags),
    )


@pytest.fixture
def make_launcher(tmp_path):
    """Make Dagster's own launcher, which asks no cluster before it launches."""
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(KUBECONFIG))

    def make(**settings):
        return K8sRunLauncher(
            service_account_name="dagster",
            instance_config_map="dagster-instance",
            dagster_home="/opt/dagster",
            job_image="dagster:1",
            load_incluster_config=False,
            kubeconfig_file=str(file),
            **settings,
        )

    return make


def test_the_order_of_places(make_launcher):
    """Launcher, code location, run, op: each goes over those before it, and lists are added to."""
    colour = {"name": "COLOUR", "value": "of the launcher"}
    found = inherited(
        make_launcher(
            env_secrets=["instance"],
            labels={"team": "platform", "cluster": "one"},
            run_k8s_config={"pod_spec_config": {"node_selector": {"pool": "small", "os": "linux"}}},
        ),
        {
            "env_vars": ["ANY=where"],
            "k8s": {"env_secrets": ["location"], "labels": {"team": "flights"}, "env": [colour]},
        },
        run=tag(pod_spec_config={"nodeSelector": {"pool": "large"}}),
        op=tag(pod_spec_config={"node_selector": {"pool": "gpu"}}, container_config={"tty": True}),
    )

    assert {
        "container_config": {
            "env": [{"name": "ANY", "value": "where"}, colour],
            "envFrom": [{"secretRef": {"name": "instance"}}, {"secretRef": {"name": "location"}}],
        },
        "pod_spec_config": {"nodeSelector": {"pool": "gpu", "os": "linux"}},
        "pod_template_spec_metadata": {"labels": {"team": "flights", "cluster": "one"}},
    } == found


def test_shallow_tags():
    """A tag that is not to be merged deeply takes the place of what was said before."""
    run = tag(pod_spec_config={"node_selector": {"pool": "large", "os": "linux"}})
    shallow = tag(pod_spec_config={"node_selector": {"pool": "gpu"}}, merge_behavior="SHALLOW")

    assert {"pool": "gpu"} == inherited(run=run, op=shallow)["pod_spec_config"]["nodeSelector"]


def test_what_is_of_the_pods_of_runs_only(make_launcher):
    """Size and account of a run's pod, which waits and has rights, are no worker's; a tag's are."""
    size = {"limits": {"memory": "1Gi"}}
    of_run = {"resources": size, "service_account_name": "runs"}

    assert {} == inherited(make_launcher(resources=size), {"k8s": of_run})
    tagged = inherited(op=tag(pod_spec_config={"service_account_name": "workers"}))
    assert {"serviceAccountName": "workers"} == tagged["pod_spec_config"]
    assert {"resources": size} == inherited(op=container(resources=size))["container_config"]
    older = {"dagster-k8s/resource_requirements": json.dumps(size)}
    assert {"resources": size} == inherited(op=older)["container_config"]


def test_what_is_the_clients_to_say():
    """How a worker is started and found again is no matter of a tag, and a Job's is of no pod."""
    found = inherited(
        op=tag(
            container_config={"image": "other:1", "command": ["x"], "working_dir": "/x"},
            pod_spec_config={"restart_policy": "Always"},
            pod_template_spec_metadata={"name": "mine", "annotations": {"spot": "no"}},
            job_spec_config={"backoff_limit": 3},
        )
    )

    assert {"pod_template_spec_metadata": {"annotations": {"spot": "no"}}} == found


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            {"fit": {"dagster-k8s/config": "{"}},
            r"the tag `dagster-k8s/config` of fit cannot be used: Expecting property name",
        ),
        ({"fit": tag(pod_spec={})}, r"tag `dagster-k8s/config` of fit .*entry \"pod_spec\""),
        ({"fit": tag(pod_spec_config={"node_selektor": {}})}, r"of fit .*'node_selektor'"),
        ({"fit": container(env=[{"nam": "x"}])}, r"of fit .*'nam'"),
        (
            {"context": {"k8s": {"env_secret": []}}},
            r"the container context of the code location .*\"env_secret\"",
        ),
        (
            {"context": {"k8s": {"env_vars": ["NO_SUCH_VARIABLE"]}}},
            r"the container context of the code location .*NO_SUCH_VARIABLE",
        ),
    ],
    ids=str,
)
def test_wrong_ones_are_told_by_their_place(said, words):
    """What Dagster or Kubernetes does not know is refused with the place where it is said."""
    with pytest.raises(WorkerNotStartedError, match=f"Cannot describe a pod: .*{words}"):
        inherited(**said)


def test_a_launcher_that_allows_little(make_launcher):
    """What the instance does not let tags say of runs, it does not let them say of workers either."""
    allowed = {"pod_spec_config": {"tolerations": True}}
    launcher = make_launcher(only_allow_user_defined_k8s_config_fields=allowed)
    tolerated = tag(pod_spec_config={"tolerations": [{"key": "spot"}]})

    assert [{"key": "spot"}] == inherited(launcher, op=tolerated)["pod_spec_config"]["tolerations"]
    with pytest.raises(WorkerNotStartedError, match=r"pod_spec_config\.host_network"):
        inherited(launcher, op=tag(pod_spec_config={"host_network": True}))


def test_tags_of_a_step():
    """Tags of the run, its job among them, and of the op reach the pods of the step's workers."""
    found = {}

    @dg.asset
    def untold(context: dg.AssetExecutionContext):
        found["untold"] = config_of_step(context)

    @dg.asset(op_tags={"dagster-k8s/config": {"pod_spec_config": {"scheduler_name": "of the op"}}})
    def told(context: dg.AssetExecutionContext):
        found["told"] = config_of_step(context)

    tags = {"dagster-k8s/config": {"pod_spec_config": {"scheduler_name": "of the job"}}}
    job = dg.define_asset_job("both", tags=tags)
    definitions = dg.Definitions(assets=[untold, told], jobs=[job])
    assert definitions.resolve_job_def("both").execute_in_process().success

    assert {"pod_spec_config": {"scheduler_name": "of the job"}} == found["untold"]
    assert {"pod_spec_config": {"scheduler_name": "of the op"}} == found["told"]


def test_the_client_goes_over_what_is_inherited():
    """Defaults give way to Dagster, Dagster to the client, and the client to its raw settings."""
    plan = PodPlan(
        name="kedro-fit",
        labels={"team": "flights"},
        annotations={},
        owner=None,
        image="flights:1",
        pull="missing",
        image_pull_secrets=[],
        service_account=None,
        command=["python"],
        working_dir=None,
        mounts_working_dir=False,
        env={"COLOUR": "of the client"},
        env_secrets=["warehouse"],
        env_config_maps=[],
        resources=ContainerResources(memory="2g"),
        context_map=None,
        takes_input=True,
        grace_s=10,
        deadline_s=None,
    )
    inherited = {
        "container_config": {
            "env": [{"name": "COLOUR", "value": "of a tag"}, {"name": "SHAPE", "value": "round"}],
            "envFrom": [{"secretRef": {"name": "location"}}],
            "resources": {"limits": {"memory": "1Gi", "cpu": "2"}},
            "securityContext": {"runAsNonRoot": False},
        },
        "pod_spec_config": {"serviceAccountName": "of a tag"},
        "pod_template_spec_metadata": {"labels": {"team": "of a tag", "cluster": "one"}},
    }
    raw = {"pod_spec_config": {"serviceAccountName": "raw"}}
    body = describe_pod(plan, raw, inherited)
    (worker,) = body["spec"]["containers"]

    assert [
        {"name": "SHAPE", "value": "round"},
        {"name": "COLOUR", "value": "of the client"},
    ] == worker["env"]
    assert ["location", "warehouse"] == [each["secretRef"]["name"] for each in worker["envFrom"]]
    assert {"memory": "2Gi", "cpu": "2"} == worker["resources"]["limits"]
    security = worker["securityContext"]
    assert (False, False) == (security["runAsNonRoot"], security["allowPrivilegeEscalation"])
    assert "raw" == body["spec"]["serviceAccountName"]
    assert {"team": "flights", "cluster": "one"} == body["metadata"]["labels"]
