"""What a check finds that containers do not see, and that it says nothing of what they do see."""

from __future__ import annotations

import pytest
from kedro_manifest.model import Dataset, Manifest, Node, Pipeline, Project
from kedro_manifest.preflight.check import check_manifest
from kedro_manifest.preflight.placed import Surroundings, Variable

PROJECT = Project(name="p", package_name="p", kedro_version="1.7.0", python_version="3.11")
HERE = "/home/ada/flights"
NODES = [
    Node(name="clean", function="m:f", inputs=["raw"], outputs=["table"]),
    Node(name="fit", function="m:f", inputs=["table"], outputs=["features", "model"]),
    Node(name="judge", function="m:f", inputs=["features", "model"], outputs=["score"]),
]
PLACES = {
    "raw": "data/raw.csv",
    "table": "data/table.csv",
    "model": "data/models/model.pickle",
    "score": "data/score.json",
}


def findings(client=None, *, clients=None, places=PLACES, around=None, **orchestration):
    """Check the project with containers of a client."""
    datasets = [
        Dataset(
            name=name,
            type="json.JSONDataset",
            kind="file",
            uri=uri,
            protocol="file" if "://" not in uri else uri.partition(":")[0],
        )
        for name, uri in places.items()
    ]
    datasets.append(Dataset(name="features", type="MemoryDataset", kind="memory"))
    containers = {"default": {"type": "docker", "image": "flights", **(client or {})}}
    manifest = Manifest(
        project=PROJECT,
        pipelines=[Pipeline(name="__default__", nodes=[node.name for node in NODES])],
        nodes=NODES,
        datasets=datasets,
        orchestration={
            "memory_datasets": {"features": "group"},
            **orchestration,
            "clients": clients or containers,
        },
    )
    options = {"project_path": HERE, **(around or {})}
    return check_manifest(manifest, around=Surroundings(**options))


def mount(target, **more):
    return {"source": "/srv/flights", "target": target, **more}


SEEN = {
    "the project": {"mount_project": True},
    "its data, at the folder of our image": {"mounts": [mount("/project/data")]},
    "its data, at a folder that is named": {
        "project_dir": "/app",
        "mounts": [mount("/app/data")],
    },
    "its data, at a folder that only the image knows": {"mounts": [mount("/opt/flights/data")]},
    "a volume over the whole project": {"mounts": [mount("/project", type="volume")]},
    "a mount in docker's own words": {
        "container_kwargs": {"volumes": ["flights-data:/project/data:rw"]}
    },
    "the same as a mapping": {
        "container_kwargs": {"volumes": {"/srv": {"bind": "/project/data", "mode": "rw"}}}
    },
}


@pytest.mark.parametrize("client", SEEN.values(), ids=SEEN)
def test_nothing_is_said_of_what_is_mounted(client):
    """A mount that holds the paths is all that is needed."""
    assert [] == findings(client)


def test_absolute_paths():
    """They are seen where a mount has them, be it the project's own folder."""
    absolute = {name: f"{HERE}/{uri}" for name, uri in PLACES.items()}

    assert [] == findings({"mount_project": True}, places=absolute)
    assert [] == findings({"mounts": [mount(f"{HERE}/data")]}, places=absolute)
    assert ["error", "error", "error", "warning"] == [
        each.severity for each in findings({"mounts": [mount("/project/data")]}, places=absolute)
    ]


def test_paths_are_compared_as_they_are_meant():
    """A path may be spelled with dots, or as a URL; a process and a container mean the same."""
    dotted = {**PLACES, "table": "./data/../data/table.csv", "score": "file://data/score.json"}
    data = {"source": f"{HERE}/data/", "target": "/opt/flights/data/"}
    boxes = {"type": "docker", "image": "flights", "mounts": [data], "for": {"nodes": ["fit"]}}

    assert [] == findings(
        clients={"default": {"type": "subprocess"}, "boxes": boxes}, places=dotted
    )


def test_object_stores_are_seen():
    """A location that is not local needs no mount."""
    assert [] == findings(places={name: f"s3://lake/{uri}" for name, uri in PLACES.items()})


def test_what_is_written_to_no_mount_is_lost():
    """The finding names dataset, path, group, client and the cure; what is only read is doubted."""
    found = {each.place: each for each in findings()}

    assert {"local-path"} == {each.code for each in found.values()}
    assert ("error", "warning") == (
        found["catalog: score"].severity,
        found["catalog: raw"].severity,
    )
    assert (
        "'score': 'data/score.json' is a local path, and no mount of client 'default' has "
        "/project/data/score.json (group 'fit+1'). What is saved there is gone with the container."
    ) == found["catalog: score"].message
    assert "only if the image holds it" in found["catalog: raw"].message
    assert "groups 'clean', 'fit+1'" in found["catalog: table"].message
    assert "{source: …, target: /project/data}" in found["catalog: score"].cure
    assert "mount_project: true" in found["catalog: score"].cure


UNSEEN = {
    "a mount beside it": ({"mounts": [mount("/project/database")], "project_dir": "/project"}),
    "memory": {"mounts": [{"target": "/project/data", "type": "tmpfs"}]},
    "a volume of the container's own": {"mounts": [{"target": "/project/data", "type": "volume"}]},
    "another folder": {"mounts": [mount("/project/data")], "project_dir": "/app"},
}


@pytest.mark.parametrize("client", UNSEEN.values(), ids=UNSEEN)
def test_mounts_that_do_not_help(client):
    """What goes with the container, or is elsewhere, does not keep data."""
    assert {"local-path"} == {each.code for each in findings(client)}
    assert "error" == findings(client)[0].severity


def test_an_unknown_working_directory_is_a_doubt():
    """Where only the image knows what a path is relative to, nothing is called an error."""
    found = findings({"mounts": [mount("/app")]})

    assert {"warning"} == {each.severity for each in found}


def test_what_others_save_is_not_in_an_image():
    """A container that only reads what another group has made needs a mount for it."""
    clients = {
        "default": {"type": "subprocess"},
        "boxes": {"type": "docker", "image": "flights", "for": {"nodes": ["fit"]}},
    }
    found = {each.place: each for each in findings(clients=clients)}

    assert "error" == found["catalog: table"].severity
    assert "What other groups save is not there." in found["catalog: table"].message


def test_read_only_mounts_are_not_written_to():
    """Raw data may be read-only, what a node writes not."""
    found = findings({"mounts": [mount("/project/data", read_only=True)]})

    assert ["catalog: model", "catalog: score", "catalog: table"] == [each.place for each in found]
    assert "is read-only, and it is written" in found[0].message


def test_one_place_for_all():
    """A process on this machine and a container have to mean the same folder."""
    clients = {
        "default": {"type": "subprocess"},
        "boxes": {
            "type": "docker",
            "image": "flights",
            "mounts": [mount("/project/data")],
            "for": {"nodes": ["fit"]},
        },
    }
    (found,) = findings(clients=clients)
    clients["boxes"]["mounts"][0]["source"] = f"{HERE}/data"

    assert ("local-path", "catalog: table") == (found.code, found.place)
    assert "group 'clean' (client 'default') has /home/ada/flights/data/table.csv" in found.message
    assert "group 'fit+1' (client 'boxes') has /srv/flights/table.csv" in found.message
    assert [] == findings(clients=clients)


def test_the_client_of_a_job():
    """A job that runs all of its groups in containers is checked with these, and no other node."""
    clients = {"default": {"type": "subprocess"}, "boxes": {"type": "docker", "image": "flights"}}
    pipeline = {"pipeline_name": "__default__", "node_names": ["clean"]}
    jobs = {"nightly": {"pipeline": pipeline, "client": "boxes"}}
    found = findings(clients=clients, jobs=jobs)

    assert ["catalog: table", "catalog: raw"] == [each.place for each in found]
    assert "client 'boxes'" in found[0].message
    assert [] == findings(clients=clients, jobs={"nightly": {"pipeline": pipeline}})


STAGED = {"memory_datasets": "stage"}


def test_a_store_that_is_mounted():
    """The default store is in the project's folder, which may be mounted."""
    data = {"mounts": [mount("/project/data")]}

    (found,) = findings(data, **STAGED)

    assert ("error", "store-local") == (found.severity, found.code)
    assert (
        "no mount of client 'default' has /project/.kedro-pipes/staging (group 'fit')"
        in found.message
    )
    assert [] == findings({"mount_project": True}, **STAGED)
    assert [] == findings(data, store={"url": "data/staging"}, **STAGED)
    assert [] == findings(data, store={"url": "s3://lake/staging"}, **STAGED)


def test_a_store_that_is_not_one_place():
    """Two mounts of other folders at one path do not share what is staged."""
    clients = {
        "default": {"type": "docker", "image": "a", "mounts": [mount("/project/data")]},
        "big": {
            "type": "docker",
            "image": "b",
            "mounts": [{"source": "/mnt/big", "target": "/project/data"}],
            "for": {"nodes": ["judge"]},
        },
    }
    remote = {name: f"s3://lake/{uri}" for name, uri in PLACES.items()}
    (found,) = findings(
        clients=clients, places=remote, store={"url": "data/staging"}, memory_datasets="stage"
    )

    assert "store-local" == found.code
    assert "client 'big' has /mnt/big/staging" in found.message


def variables(*names, file="conf/base/credentials.yml"):
    return [Variable(name=name, file=file) for name in names]


def test_variables_that_nobody_hands_on():
    """Each that the configuration reads is handed on by name, pattern or value, or is told."""
    around = {"variables": variables("LAKE_KEY", "LAKE_URL", "TOKEN", "REGION")}
    client = {"mount_project": True, "pass_env": ["LAKE_*"], "env": {"REGION": "eu"}}
    (found,) = findings(client, around=around)

    assert ("warning", "unset-variable") == (found.severity, found.code)
    assert "conf/base/credentials.yml" == found.place
    assert "variable TOKEN" in found.message
    assert "client 'default'" in found.message
    assert "`pass_env` of `clients.default`" in found.cure


def test_variables_of_a_group():
    """What all groups of a client set for themselves needs no more."""
    around = {"variables": variables("TOKEN")}
    groups = {"first": {"nodes": ["clean"], "env": {"TOKEN": "a"}}}
    (found,) = findings({"mount_project": True}, around=around, groups=groups)

    assert "(group 'fit+1')" in found.message


def test_files_that_images_do_not_hold():
    """What `conf/local` says counts here only, unless the folder is mounted."""
    around = {
        "local_folder": "conf/local",
        "local_files": ["conf/local/credentials.yml"],
        "variables": variables("TOKEN", file="conf/local/credentials.yml"),
    }
    data = {"mounts": [mount("/project/data")]}
    (found,) = findings(data, around=around)

    assert ("warning", "conf-local", "conf/local") == (found.severity, found.code, found.place)
    assert "'conf/local/credentials.yml'" in found.message
    assert ["unset-variable"] == [
        each.code for each in findings({"mount_project": True}, around=around)
    ]


def test_a_folder_that_kedro_wants():
    """Without `conf/local` itself no session can be opened in the image."""
    around = {"local_folder": "conf/local", "is_folder_left_out": True}
    (found,) = findings({"mounts": [mount("/project/data")]}, around=around)

    assert ("error", "conf-local", ".dockerignore") == (found.severity, found.code, found.place)
    assert "`conf/local/*`" in found.cure
