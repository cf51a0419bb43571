"""What names a Secret of Kubernetes in `dagster.yml` is exported; what may be a secret is not."""

import pytest
from kedro_pipes.project.orchestration_file import make_public

POD = {
    "container_config": {
        "env": [{"name": "PW", "valueFrom": {"secretKeyRef": {"name": "db", "key": "word"}}}],
        "env_from": [{"secret_ref": {"name": "db"}}],
    },
    "pod_spec_config": {
        "volumes": [{"name": "v", "secret": {"secret_name": "db"}}],
        "imagePullSecrets": [{"name": "registry"}],
    },
}


def exported(room, entry):
    return make_public({room: {"one": entry}})[room]["one"]


@pytest.mark.parametrize(
    "entry",
    [{"env_secrets": ["warehouse"], "image_pull_secrets": ["registry"]}, {"pod": POD}],
    ids=str,
)
@pytest.mark.parametrize("room", ["clients", "groups"])
def test_names(room, entry):
    """A Secret's name, in either spelling, is no secret."""
    assert entry == exported(room, entry)


@pytest.mark.parametrize(
    "entry",
    [
        {"env_secrets": ["Hunter2!"]},
        {"env_secrets": "hunter2"},
        {"options": {"secret": "hunter2"}},
        {"options": {"secret": {"value": "hunter2"}}},
        {"env": {"CLIENT_SECRET": "hunter2"}},
        {"options": {"secret_key_ref": {"name": "db", "password": "hunter2"}}},
    ],
    ids=str,
)
def test_values(entry):
    """What has another shape under such a key is left out, as ever."""
    assert "unter2" not in str(exported("clients", entry))


def test_elsewhere():
    """Only where workers are described do such keys stand for names."""
    assert {} == exported("sensors", {"env_secrets": ["warehouse"]})
