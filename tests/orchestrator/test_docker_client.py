"""The Docker client as `dagster.yml` and a run describe it; tests/bridge runs real containers."""

import msgspec
import pytest
from dagster_kedro.clients.base import WorkerLaunch
from dagster_kedro.clients.directory import make_client
from dagster_kedro.clients.docker import client as ours
from dagster_kedro.clients.docker.client import KedroDockerClient, container_name
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration import clients
from kedro_manifest.orchestration import docker as settings
from kedro_manifest.orchestration.root import read_orchestration
from pydantic_core import PydanticUndefined

SAID = {
    "image": "flights:1",
    "engine_url": "tcp://engine:2376",
    "tls": {"ca_cert": "ca.pem", "client_cert": "cert.pem", "client_key": "key.pem"},
    "pull": "always",
    "registry": {"url": "r.example.com", "username_env": "R_NAME", "password_env": "R_WORD"},
    "resources": {"cpus": 1.5, "memory": "4g", "shm_size": "1g", "gpus": 1},
    "mounts": [{"source": "flights", "target": "/data", "type": "volume", "read_only": True}],
    "networks": ["warehouse"],
    "env": {"COLOUR": "blue"},
    "pass_env": ["AWS_*"],
    "user": "1000:1000",
    "read_only": True,
    "ulimits": [{"name": "nofile", "soft": 10, "hard": 20}],
    "init": False,
    "labels": {"team": "flights"},
    "python": "/opt/python",
    "project_dir": "/srv/flights",
    "mount_project": True,
    "grace_s": 3.5,
    "shared_messages": {"source": "messages", "here": "/messages"},
    "container_kwargs": {"hostname": "worker"},
}


def read(**settings):
    return read_orchestration({"clients": {"far": {"type": "docker", **settings}}}).clients["far"]


def test_every_setting_reaches_the_client():
    """What stands in `dagster.yml` is what the client is made with."""
    client = make_client("far", read(**SAID))

    assert isinstance(client, KedroDockerClient)
    assert SAID == {key: dumped(getattr(client, key)) for key in SAID}


def dumped(value):
    if isinstance(value, list):
        return [dumped(each) for each in value]
    return value.model_dump() if hasattr(value, "model_dump") else value


@pytest.mark.parametrize(
    ("of_file", "of_client", "only_of_file"),
    [
        (clients.DockerClient, ours.KedroDockerClient, {"chosen_for", "timeout_s"}),
        (settings.Mount, ours.DockerMount, set()),
        (settings.Ulimit, ours.DockerUlimit, set()),
        (settings.Registry, ours.DockerRegistry, set()),
        (settings.Tls, ours.DockerTls, set()),
        (settings.SharedMessages, ours.SharedMessages, set()),
    ],
)
def test_settings_of_the_file_are_those_of_the_client(of_file, of_client, only_of_file):
    """What `dagster.yml` takes and what the client takes in Python have the same names and defaults."""
    in_file = {
        field.name: default_of(field)
        for field in msgspec.structs.fields(of_file)
        if field.name not in only_of_file
    }
    in_python = {
        name: plain(field.get_default(call_default_factory=True))
        for name, field in of_client.model_fields.items()
    }

    assert in_file == in_python


def default_of(field):
    if field.default_factory is not msgspec.NODEFAULT:
        return plain(field.default_factory())
    return None if field.default is msgspec.NODEFAULT else plain(field.default)


def plain(value):
    """Return a default without what is not said, for both kinds; what is required has none."""
    if value is PydanticUndefined:
        return None
    if isinstance(value, msgspec.Struct):
        return {key: each for key, each in msgspec.to_builtins(value).items() if each is not None}
    return value


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({}, "image"),
        ({"image": "x", "resources": {"memory": "much"}}, "resources.memory"),
        ({"image": "x", "resources": {"cpu": 1}}, "resources"),
        ({"image": "x", "mounts": [{"source": "/d"}]}, "mounts"),
        ({"image": "x", "pull": "sometimes"}, "pull"),
    ],
    ids=str,
)
def test_wrong_entries(settings, place):
    """A setting that no container has is refused when `dagster.yml` is read."""
    with pytest.raises(OrchestrationError, match=rf"clients\.far.*{place}"):
        read(**settings)


def launch(group="fit", run_id="1", attempt="a", step="shop_assets"):
    extras = {"kedro_pipes": {"kedro_run_id": attempt}}
    context = {"run_id": run_id, "retry_number": 0, "job_name": "nightly", "extras": extras}
    return WorkerLaunch(group=group, step=step, context_data=context, project_dir="/p", python=None)


def test_a_container_is_named_after_its_attempt():
    """The same attempt has the same name, so that it cannot run twice; any other has another."""
    names = [
        container_name(launch()),
        container_name(launch(attempt="b")),
        container_name(launch(run_id="2")),
        container_name(launch(group="größe / x")),
        # Two steps of one run may both look for what exists already.
        container_name(launch(step="shop_late")),
    ]

    assert names[0] == container_name(launch())
    assert len(set(names)) == len(names)
    assert all(name.replace("-", "").isalnum() and name.isascii() for name in names)
