"""What a check finds that workers on other hosts do not see, and that it is silent of the rest."""

from __future__ import annotations

from kedro_manifest.model import Dataset, Manifest, Node, Pipeline, Project
from kedro_manifest.preflight.check import check_manifest
from kedro_manifest.preflight.placed import Surroundings, Variable

HERE = "/srv/flights"
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


def findings(*, around=None, memory=None, store=None, **gpu):
    """Check a project whose node `fit` runs on two hosts, unless others are given."""
    datasets = [
        Dataset(name=name, type="json.JSONDataset", kind="file", uri=uri, protocol="file")
        for name, uri in PLACES.items()
    ]
    datasets.append(Dataset(name="features", type="MemoryDataset", kind="memory"))
    client = {"type": "ssh", "hosts": ["one", "two"], "for": {"nodes": ["fit"]}, **gpu}
    manifest = Manifest(
        project=Project(name="p", package_name="p", kedro_version="1.7.0", python_version="3.11"),
        pipelines=[Pipeline(name="__default__", nodes=[node.name for node in NODES])],
        nodes=NODES,
        datasets=datasets,
        orchestration={
            "memory_datasets": {"features": memory or "group"},
            **({"store": {"url": store}} if store else {}),
            "clients": {"default": {"type": "subprocess"}, "gpu": client},
        },
    )
    return check_manifest(manifest, around=Surroundings(project_path=HERE, **(around or {})))


def test_what_is_shared():
    """A folder that all have in common holds what is below it; the finding of others says the rest."""
    assert [] == findings(shared_dirs=[HERE])

    lost = [each for each in findings() if each.code == "local-path"]
    assert {"catalog: table", "catalog: model", "catalog: score"} == {each.place for each in lost}
    (model,) = [each for each in lost if each.place == "catalog: model"]
    assert "error" == model.severity
    assert (
        "no folder that the hosts of client 'gpu' share has /srv/flights/data/model.pickle (group "
        "'fit+1'). What is saved there stays on one of them." in model.message
    )
    assert "`clients.gpu.shared_dirs`" in model.cure


def test_one_host():
    """One host has one disk: what is wrong is only that others have another one."""
    found = findings(hosts=["one"], project_dir="/home/ada/flights")

    assert {("warning", "local-path")} == {(each.severity, each.code) for each in found}
    (table,) = [each for each in found if each.place == "catalog: table"]
    assert "'table' is not at one place" in table.message
    assert "has /home/ada/flights/data/table.csv of one" in table.message


def test_the_store():
    """A store is needed where data is staged, and has to be shared."""
    shared = {"memory": "stage", "shared_dirs": [HERE]}
    (found,) = findings(**shared, store="/var/staging")

    assert "store-local" == found.code
    assert "no folder that the hosts of client 'gpu' share has /var/staging" in found.message
    assert [] == findings(**shared, store=f"{HERE}/staging")


def test_variables():
    """A variable that is not handed on is missed, with the places where it could come from."""
    around = {"variables": [Variable(name="LAKE_KEY", file="conf/base/credentials.yml")]}
    (found,) = findings(shared_dirs=[HERE], around=around)

    assert "client 'gpu' does not hand it to its workers (group 'fit+1')" in found.message
    assert "for logins on its hosts" in found.cure
    assert [] == findings(shared_dirs=[HERE], around=around, pass_env=["LAKE_*"])
