"""The rights that a run needs, on a real cluster: those that the page lists do, and which is needed for what.

The double knows no accounts: there, `test_pods` has requests refused.
"""

import json
import os
import re
import uuid

import kubernetes.client as k8s
import pytest
from conformance_clients import REPOSITORY, KubernetesUnderTest

PAGE = REPOSITORY / "docs/how-to/use-kubernetes.md"
LARGE = {"text": os.urandom(100_000).hex()}
"""Needs a config map, however well it is packed."""

pytestmark = pytest.mark.k8s


def rights():
    """Return resource and verb of each right that the page lists."""
    rows = re.findall(r"^\| `([a-z/]+)` \| ([a-z`, ]+) \|", PAGE.read_text(), re.MULTILINE)
    return [(name, verb) for name, verbs in rows for verb in re.findall("[a-z]+", verbs)]


@pytest.fixture
def bridge(make_bridge):
    """A bridge through pods; nothing of what it started is left."""
    made = make_bridge(KubernetesUnderTest("k8s-stdout", "stdout"))
    yield made
    api = made.adapter.api()
    for pod in made.adapter.pods(made.token):
        api.delete_pod(pod.metadata.name, None, 0)
    assert made.leftovers() == []


@pytest.fixture
def kubeconfig_with(bridge, tmp_path):
    """Write the kubeconfig of an account that has some rights and no others; return its path."""
    api = bridge.adapter.api()
    core, rbac = api._core, k8s.RbacAuthorizationV1Api(api._client)
    name, namespace = f"rights-{uuid.uuid4().hex[:8]}", api.namespace
    metadata = k8s.V1ObjectMeta(name=name)

    def made(granted):
        core.create_namespaced_service_account(namespace, k8s.V1ServiceAccount(metadata=metadata))
        rules = [
            k8s.V1PolicyRule(api_groups=[""], resources=[resource], verbs=[verb])
            for resource, verb in granted
        ]
        rbac.create_namespaced_role(namespace, k8s.V1Role(metadata=metadata, rules=rules))
        account = k8s.RbacV1Subject(kind="ServiceAccount", name=name, namespace=namespace)
        role = k8s.V1RoleRef(api_group="rbac.authorization.k8s.io", kind="Role", name=name)
        binding = k8s.V1RoleBinding(metadata=metadata, role_ref=role, subjects=[account])
        rbac.create_namespaced_role_binding(namespace, binding)
        request = k8s.AuthenticationV1TokenRequest(spec=k8s.V1TokenRequestSpec(audiences=[]))
        token = core.create_namespaced_service_account_token(name, namespace, request).status.token
        found = api._configuration
        cluster = {"server": found.host, "certificate-authority": found.ssl_ca_cert}
        file = tmp_path / "kubeconfig"
        context = {"cluster": "it", "user": "it", "namespace": namespace}
        file.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "it",
                    "clusters": [{"name": "it", "cluster": cluster}],
                    "users": [{"name": "it", "user": {"token": token}}],
                    "contexts": [{"name": "it", "context": context}],
                }
            )
        )
        return str(file)

    yield made
    rbac.delete_namespaced_role_binding(name, namespace)
    rbac.delete_namespaced_role(name, namespace)
    core.delete_namespaced_service_account(name, namespace)


def run(bridge, kubeconfig):
    """Run a program for two seconds, told so much that it needs a config map."""
    client = bridge.adapter.client(bridge.token, kubeconfig=kubeconfig, lease_s=30.0)
    assets = ("first", "outcome")
    return bridge.run_program("plain.py", "stream", client=client, extras=LARGE, assets=assets)


def test_documented_rights_are_enough(bridge, kubeconfig_with):
    """With the rights of the page a worker runs, and nothing is left of it."""
    finished = run(bridge, kubeconfig_with(rights()))

    assert finished.success, finished.errors
    assert bridge.adapter.pods(bridge.token) == []


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ([("pods", "create")], "Cannot create pod"),
        ([("pods", "list")], "Cannot follow pod"),
        ([("pods", "watch")], "Cannot follow pod"),
        ([("pods", "delete")], "Cannot delete pod"),
        ([("pods/log", "get")], "Cannot follow pod"),
        ([("pods/attach", "create"), ("pods/attach", "get")], "refuses to attach"),
        ([("configmaps", "create")], "Cannot hand over"),
        ([("configmaps", "patch")], "Cannot hand over"),
        ([("configmaps", "delete")], "Cannot delete"),
    ],
    ids=str,
)
def test_missing_right(bridge, kubeconfig_with, missing, told):
    """A right that is missing is told, in the words of the API."""
    finished = run(bridge, kubeconfig_with([each for each in rights() if each not in missing]))
    said = [text for level, text in finished.logged if level in ("WARNING", "ERROR")]
    found = [each for each in [*finished.errors, *said] if told in each]

    assert found, (finished.success, finished.errors, said)
    assert f'cannot {missing[-1][1]} resource "{missing[-1][0]}"' in found[0]
