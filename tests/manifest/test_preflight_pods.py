"""What a check finds that pods do not see, and that it is silent of what they do see."""

from __future__ import annotations

import pytest
from kedro_manifest.model import Dataset, Manifest, Node, Pipeline, Project
from kedro_manifest.preflight.check import check_manifest
from kedro_manifest.preflight.placed import Surroundings, Variable

HERE = "/home/ada/flights"
NODES = [
    Node(name="clean", function="m:f", inputs=["raw"], outputs=["table"]),
    Node(name="fit", function="m:f", inputs=["table"], outputs=["features", "model"]),
    Node(name="judge", function="m:f", inputs=["features", "model"], outputs=["score"]),
]
PLACES = {
    "raw": "data/raw.csv",
    "table": "data/table.csv",
    "model": "data/model.pickle",
    "score": "data/score.json",
}


def findings(*, around=None, memory="group", store=None, groups=None, others=None, **client):
    """Check a project whose groups run in pods."""
    datasets = [
        Dataset(name=name, type="json.JSONDataset", kind="file", uri=uri, protocol="file")
        for name, uri in PLACES.items()
    ]
    datasets.append(Dataset(name="features", type="MemoryDataset", kind="memory"))
    pods = {"type": "k8s", "image": "flights", **client}
    manifest = Manifest(
        project=Project(name="p", package_name="p", kedro_version="1.7.0", python_version="3.11"),
        pipelines=[Pipeline(name="__default__", nodes=[node.name for node in NODES])],
        nodes=NODES,
        datasets=datasets,
        orchestration={
            "memory_datasets": {"features": memory},
            **({"store": {"url": store}} if store else {}),
            **({"groups": groups} if groups else {}),
            "clients": {"default": pods, **(others or {})},
        },
    )
    return check_manifest(manifest, around=Surroundings(project_path=HERE, **(around or {})))


def volume(path="/project/data", *, mount=(), **source):
    """Return raw settings that mount a volume."""
    source = source or {"persistent_volume_claim": {"claim_name": "lake"}}
    return {
        "pod_spec_config": {"volumes": [{"name": "data", **source}]},
        "container_config": {
            "volume_mounts": [{"name": "data", "mount_path": path, **dict(mount)}]
        },
    }


SEEN = {
    "a claim, at the folder of our image": {"pod": volume()},
    "in the API's spelling": {
        "pod": {
            "pod_spec_config": {
                "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "lake"}}]
            },
            "container_config": {"volumeMounts": [{"name": "d", "mountPath": "/project/data"}]},
        }
    },
    "at a folder that is named": {"project_dir": "/app", "pod": volume("/app/data")},
    "at one that raw settings name": {
        "pod": {
            **volume("/srv/data"),
            "container_config": {
                **volume("/srv/data")["container_config"],
                "working_dir": "/srv",
            },
        }
    },
    "at one that only the image knows": {"pod": volume("/opt/flights/data")},
    "a folder of the nodes": {"pod": volume(host_path={"path": "/mnt/lake"})},
    "a file server": {"pod": volume(nfs={"server": "lake", "path": "/"})},
    "a driver's": {"pod": volume(csi={"driver": "s3.csi.aws.com"})},
    "the project": {"mount_project": True},
}


@pytest.mark.parametrize("client", SEEN.values(), ids=SEEN)
def test_nothing_is_said_of_what_is_mounted(client):
    """A volume that holds the paths is all that is needed."""
    assert [] == findings(**client)


def test_volumes_of_a_group():
    """A group may mount what its client does not, a volume of the client's among it."""
    group = {"nodes": ["fit", "judge"], "pod": volume()}
    places = [each.place for each in findings(groups={"fitting": group})]
    assert ["catalog: raw", "catalog: table"] == places

    fast = {**volume(empty_dir={}), "container_config": volume()["container_config"]}
    fast["pod_spec_config"]["volumes"][0]["name"] = "fast"
    fast["container_config"]["volume_mounts"][0]["name"] = "fast"
    found = findings(groups={"fitting": {"nodes": ["fit", "judge"], "pod": fast}}, pod=volume())
    assert ["catalog: model", "catalog: score", "catalog: table"] == [each.place for each in found]

    of_client = {"pod_spec_config": volume()["pod_spec_config"]}
    mounted = {"container_config": volume()["container_config"]}
    groups = {"all": {"nodes": ["clean", "fit", "judge"], "pod": mounted}}
    assert [] == findings(groups=groups, pod=of_client)


def test_what_no_volume_has():
    """The finding names path and cure; it is no error, since Dagster's settings may bring a volume."""
    found = {each.place: each for each in findings()}

    assert {"local-path"} == {each.code for each in found.values()}
    assert {"warning"} == {each.severity for each in found.values()}
    assert (
        "'score': 'data/score.json' is a local path, and no volume that `dagster.yml` mounts for "
        "client 'default' has /project/data/score.json (group 'fit+1'). What is saved there is gone "
        "with the pod."
    ) == found["catalog: score"].message
    assert (
        "Mount a volume at /project/data, by `volumes` and `volume_mounts` in `clients.default.pod`, "
        "or use a location that every worker reaches, such as s3://…. Nothing is needed where the "
        "code location's container context brings one, as the chart's `persistence` does."
    ) == found["catalog: score"].cure
    assert "only if the image holds it" in found["catalog: raw"].message


def test_a_volume_that_goes_with_the_pod():
    """What is mounted there for certain, and does not last, loses data for certain."""
    found = findings(pod=volume(empty_dir={}))

    assert ["error", "error", "error", "warning"] == [each.severity for each in found]
    assert "container context" not in found[0].cure


@pytest.mark.parametrize(
    "pod",
    [
        volume(mount={"read_only": True}),
        volume(persistent_volume_claim={"claim_name": "lake", "read_only": True}),
        volume(config_map={"name": "tables"}),
        volume(downward_api={"items": []}),
    ],
    ids=str,
)
def test_read_only_volumes_are_not_written_to(pod):
    """Raw data may be read-only, what a node writes not."""
    found = findings(pod=pod)

    assert ["catalog: model", "catalog: score", "catalog: table"] == [each.place for each in found]
    assert "is read-only, and it is written" in found[0].message


def test_one_place_for_all():
    """Two claims, or one name in two namespaces, are not one place."""

    def other(**client):
        return {
            "big": {"type": "k8s", "image": "flights", "for": {"nodes": ["fit"]}, **client},
        }

    claim = {"persistent_volume_claim": {"claim_name": "big"}}
    (found,) = findings(pod=volume(), others=other(pod=volume(**claim)))
    assert "group 'clean' (client 'default') has claim 'lake'/table.csv" in found.message
    assert "(client 'big') has claim 'big'/table.csv" in found.message

    below = volume(mount={"sub_path": "deep"})
    (found,) = findings(pod=volume(), others=other(pod=below))
    assert "has claim 'lake'/deep/table.csv" in found.message

    (found,) = findings(pod=volume(), others=other(namespace="ml", pod=volume()))
    assert "has claim 'ml/lake'/table.csv" in found.message
    assert [] == findings(pod=volume(), others=other(pod=volume()))


def test_a_store():
    """A local store has to be in a volume; it may be in one that is not known here."""
    claim = {"pod": volume()}
    (found,) = findings(memory="stage", **claim)
    assert ("warning", "store-local") == (found.severity, found.code)
    assert "no volume that `dagster.yml` mounts for client 'default' has" in found.message
    assert "`persistence`" in found.cure

    assert [] == findings(memory="stage", store="data/staging", **claim)
    assert [] == findings(memory="stage", store="s3://lake/staging", **claim)
    lost = findings(memory="stage", store="data/staging", pod=volume(empty_dir={}))
    assert ["error"] == [each.severity for each in lost if each.code == "store-local"]


def test_variables():
    """What the configuration reads is handed on, set, or may be in a secret; else it is told."""
    around = {"variables": [Variable(name="LAKE_KEY", file="conf/base/credentials.yml")]}
    mounted = {"pod": volume(), "around": around}
    (found,) = findings(**mounted)

    assert ("warning", "unset-variable") == (found.severity, found.code)
    assert "does not hand it to its pods (groups 'clean', 'fit+1')" in found.message
    assert "name a secret that has it in `env_secrets`" in found.cure
    for known in (
        {"pass_env": ["LAKE_*"]},
        {"env": {"LAKE_KEY": "a"}},
        {"env_secrets": ["lake"]},
        {"env_config_maps": ["lake"]},
    ):
        assert [] == findings(**mounted, **known)
    for raw in ({"env": [{"name": "LAKE_KEY", "value": "a"}]}, {"envFrom": [{"prefix": "LAKE_"}]}):
        pod = volume()
        pod["container_config"] |= raw
        assert [] == findings(around=around, pod=pod)


def test_files_that_images_do_not_hold():
    """What `conf/local` says counts here only, as with containers."""
    around = {"local_folder": "conf/local", "local_files": ["conf/local/credentials.yml"]}
    (found,) = findings(around=around, pod=volume())

    assert ("conf-local", "conf/local") == (found.code, found.place)
    assert "pods of client 'default' see nothing else" in found.message
