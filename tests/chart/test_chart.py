"""The Helm chart, as Helm itself renders it: valid for three versions of Kubernetes, and restricted."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from dagster_k8s.container_context import K8sContainerContext

REPOSITORY = Path(__file__).parents[2]
CHART = REPOSITORY / "helm/kedro-dagster-pipes"
VERSIONS = ["1.28", "1.31", "1.34"]
MINIMAL, PRODUCTION = (
    yaml.safe_load((CHART / f"ci/{name}-values.yaml").read_text())
    for name in ("default", "production")
)
MATRIX = {
    "minimal": MINIMAL,
    "production": PRODUCTION,
    "grpc": {**MINIMAL, "server": {"kind": "grpc", "port": 4001}},
    "manifest in a config map": {**MINIMAL, "manifest": {"configMap": "flights-manifest"}},
    "accounts of its own": {
        **MINIMAL,
        "serviceAccount": {"create": False, "name": "runs"},
        "workers": {"serviceAccount": {"create": False, "name": "workers"}},
        "rbac": {"create": False},
    },
    "claim of its own": {**MINIMAL, "persistence": {"enabled": True, "existingClaim": "data"}},
    "open": {**MINIMAL, "networkPolicy": {"enabled": False}, "tests": {"enabled": False}},
}


@pytest.fixture(scope="session")
def render(request):
    """Have Helm render the chart with some values; return what it says and the objects."""
    python = request.config.getoption("--helm-python")
    if not python.is_file():
        pytest.skip(f"no Helm at {python}: make it with `make test-chart`")

    def rendered(values):
        done = subprocess.run(
            [python, Path(__file__).with_name("render.py"), CHART],
            input=json.dumps(values),
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    return rendered


@pytest.fixture(scope="session")
def objects(render):
    """The objects of each row of the matrix, rendered once."""
    found = {}

    def of(name):
        if name not in found:
            answer = render(MATRIX[name])
            assert [] == answer["lint"], answer["lint"]
            assert "error" not in answer, answer
            found[name] = [
                each
                for path, text in answer["files"].items()
                if path.endswith(".yaml")
                for each in yaml.safe_load_all(text)
                if each
            ]
        return found[name]

    return of


def kinds(found, kind):
    return [each for each in found if each["kind"] == kind]


def pod_specs(found):
    for each in found:
        if each["kind"] == "Deployment":
            yield each["spec"]["template"]["spec"]
        if each["kind"] == "Pod":
            yield each["spec"]


def run_context(found):
    """What pods of runs get, as Dagster reads it off the code location."""
    (deployment,) = kinds(found, "Deployment")
    env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    return json.loads(next(e["value"] for e in env if e["name"] == "DAGSTER_CONTAINER_CONTEXT"))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", MATRIX)
def test_valid(objects, name, version):
    """Every object is one that this version of Kubernetes takes."""
    for each in objects(name):
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("name", MATRIX)
def test_restricted(objects, name):
    """No pod runs as root, writes to its root file system, gains rights, or lacks a limit."""
    specs = list(pod_specs(objects(name)))

    assert specs
    for spec in specs:
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["securityContext"]["runAsUser"] > 0
        assert "RuntimeDefault" == spec["securityContext"]["seccompProfile"]["type"]
        assert spec["automountServiceAccountToken"] is False
        assert not [each for each in spec["volumes"] if "hostPath" in each]
        for container in spec["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert ["ALL"] == container["securityContext"]["capabilities"]["drop"]
            assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("name", MATRIX)
def test_rights(objects, name):
    """Runs have named rights in one namespace; workers and the code location have none."""
    found = objects(name)

    assert not kinds(found, "ClusterRole")
    for role in kinds(found, "Role"):
        for rule in role["rules"]:
            assert "*" not in [*rule["verbs"], *rule["resources"], *rule["apiGroups"]]
            assert not {"secrets", "pods/exec", "serviceaccounts"} & set(rule["resources"])
    for binding in kinds(found, "RoleBinding"):
        assert not [each for each in binding["subjects"] if "worker" in each["name"]]
    for account in kinds(found, "ServiceAccount"):
        if "worker" in account["metadata"]["name"]:
            assert account["automountServiceAccountToken"] is False


def test_rights_are_those_that_the_client_uses(objects):
    """The role has the requests of the client, and no other: each is named in the double's count."""
    (role,) = kinds(objects("minimal"), "Role")
    granted = {
        f"{verb} {resource}"
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }

    assert {
        *(f"{verb} pods" for verb in ("create", "get", "list", "watch", "delete")),
        "get pods/log",
        "create pods/attach",
        "get pods/attach",
        *(f"{verb} configmaps" for verb in ("create", "patch", "delete")),
        "list events",
    } == granted


@pytest.mark.parametrize("name", MATRIX)
def test_runs(objects, name):
    """Dagster's run launcher understands what pods of runs are to get, and they are restricted."""
    context = run_context(objects(name))
    read = K8sContainerContext.create_from_config(context)
    raw = context["k8s"]["run_k8s_config"]

    assert "data" == read.namespace
    assert raw["pod_spec_config"]["security_context"]["runAsNonRoot"]
    assert raw["container_config"]["security_context"]["readOnlyRootFilesystem"]


def test_production(objects):
    """Production values give replicas in several zones, a budget, and secrets by name only."""
    found = objects("production")
    (deployment,) = kinds(found, "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    (budget,) = kinds(found, "PodDisruptionBudget")

    assert container["image"].endswith("@sha256:" + "a" * 64)
    assert 2 == deployment["spec"]["replicas"]
    assert 1 == budget["spec"]["minAvailable"]
    assert "topology.kubernetes.io/zone" == spec["topologySpreadConstraints"][0]["topologyKey"]
    assert not kinds(found, "Secret")
    assert {"secretRef": {"name": "warehouse"}} in container["envFrom"]
    assert ["warehouse"] == run_context(found)["k8s"]["env_secrets"]


def test_storage_in_production(objects):
    """The claim is there for all pods, outlives the release, and is mounted in pods of runs as well."""
    found = objects("production")
    (claim,) = kinds(found, "PersistentVolumeClaim")
    raw = run_context(found)["k8s"]["run_k8s_config"]

    assert ["ReadWriteMany"] == claim["spec"]["accessModes"]
    assert "keep" == claim["metadata"]["annotations"]["helm.sh/resource-policy"]
    assert claim["metadata"]["name"] in str(raw["pod_spec_config"]["volumes"])
    assert "/project/data" in str(raw["container_config"]["volume_mounts"])


def test_runs_in_production(objects):
    """Runs stay on nodes that do not go away, and no autoscaler puts them out."""
    read = K8sContainerContext.create_from_config(run_context(objects("production")))
    config = read.run_k8s_config

    assert {"pool": "system"} == config.pod_spec_config["node_selector"]
    assert "system" == config.pod_spec_config["tolerations"][0]["key"]
    assert config.pod_spec_config["security_context"]["run_as_non_root"]
    annotations = config.pod_template_spec_metadata["annotations"]
    assert {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"} == annotations


def test_limits_in_production(objects):
    """The namespace has a quota; the launcher's account may start workers; they reach what they may."""
    found = objects("production")
    (quota,) = kinds(found, "ResourceQuota")
    subjects = {each["name"] for row in kinds(found, "RoleBinding") for each in row["subjects"]}
    (policy,) = [each for each in kinds(found, "NetworkPolicy") if "egress" in each["spec"]]

    assert {"pods": "200", "requests.cpu": "64", "requests.memory": "256Gi"} == quota["spec"][
        "hard"
    ]
    assert {"dagster", "flights-kedro-dagster-pipes"} == subjects
    assert [{"key": "kedro-pipes/group", "operator": "Exists"}] == policy["spec"]["podSelector"][
        "matchExpressions"
    ]


def test_documented_rights(objects):
    """The page for production lists the rights that the chart gives, and no others."""
    page = (REPOSITORY / "docs/how-to/use-kubernetes.md").read_text()
    rows = re.findall(r"^\| `([a-z/]+)` \| ([a-z`, ]+) \|", page, re.MULTILINE)
    (role,) = kinds(objects("production"), "Role")

    told = {(name, verb) for name, verbs in rows for verb in re.findall("[a-z]+", verbs)}
    assert told == {
        (name, verb)
        for rule in role["rules"]
        for name in rule["resources"]
        for verb in rule["verbs"]
    }


def test_probes_are_those_of_the_server(objects):
    """Kubernetes asks the code server for the service that Dagster's server has registered."""
    (deployment,) = kinds(objects("minimal"), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]

    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert {"port": 4000, "service": "DagsterApi"} == container[probe]["grpc"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "repository"),
        ({"image": {"repository": "x"}}, "image.tag"),
        ({**MINIMAL, "replica": 2}, "replica"),
        ({**MINIMAL, "server": {"kind": "http"}}, "kind"),
        ({**MINIMAL, "uid": 0}, "uid"),
        ({**MINIMAL, "runPodSpec": {"volumes": []}}, "volumes"),
    ],
    ids=str,
)
def test_wrong_values(render, values, said):
    """Values that are missing or wrong are refused, by name."""
    answer = render(values)

    assert said in answer["error"]


def test_notes(render):
    """The notes say how the location is asked, and are values as the official chart takes them."""
    files = render(MINIMAL)["files"]
    notes = next(text for path, text in files.items() if path.endswith("NOTES.txt"))
    host = "flights-kedro-dagster-pipes.data"
    server = {"host": host, "port": 4000, "name": "flights"}
    values = yaml.safe_load(notes.split("official chart:\n")[1].split("\nor by")[0])

    assert {
        "dagsterWebserver": {"workspace": {"enabled": True, "servers": [server]}},
        # Without it there is no workspace; with its subchart there is an example's code location.
        "dagster-user-deployments": {"enabled": True, "enableSubchart": False},
    } == values
    assert "helm test flights --namespace data" in notes


def test_values_are_documented():
    """Each value at the top has a comment above it or in its block, and one in the schema."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())

    assert values.keys() == schema["properties"].keys() - {"global"}


def test_version():
    """The chart's version is that of the package."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    package = (REPOSITORY / "kedro_side/kedro_manifest/__init__.py").read_text()

    assert chart["version"] == chart["appVersion"]
    assert chart["version"] == re.search(r'__version__ = "(.*)"', package)[1]
