"""Catalog and store on an S3 server, from processes of this machine."""

import json
import pickle
from types import SimpleNamespace

import pytest

pytestmark = [pytest.mark.s3, pytest.mark.usefixtures("with_access")]

OLD_VERSION = "2024-01-01T00.00.00.000Z"


@pytest.fixture(scope="module")
def both(make_lake, by_kedro, export, run_job, server):
    """What `kedro run` has left in one bucket, and a run under Dagster in another.

    Dagster's has its credentials in a file of `conf/local`, as a developer may.
    """
    lake = make_lake("by-processes", own_credentials=True)
    export(lake.folder)
    run = run_job(lake.folder, "__default__")
    assert run.success, run.errors
    return SimpleNamespace(
        lake=lake, run=run, expected=by_kedro, actual=server.objects(lake.bucket)
    )


def started(run):
    return [
        text.split("]")[0].removeprefix("[") for _, text in run.logged if text.endswith("started.")
    ]


def test_outputs_are_equal(both):
    """Every object that `kedro run` leaves is there, with the same bytes, and no other."""
    assert 6 == len(both.expected)
    assert both.expected.keys() == both.actual.keys()
    assert both.expected == both.actual


def test_staged_through_the_store(both):
    """What is in memory crosses through the bucket, and is gone from there at the end."""
    staged_at = both.run.materializations["totals"]["kedro/staged_at"]

    assert ["add_up", "fit", "judge", "report", "split"] == sorted(started(both.run))
    assert staged_at.startswith("s3://by-processes/staging/")
    assert [] == [key for key in both.actual if key.startswith("staging")]


def test_places_sizes_and_versions(both):
    """Assets tell where their data is, how large it is, and in which version."""
    model, score = (both.run.materializations[name] for name in ("model", "north/score"))
    by_day, report = (both.run.materializations[name] for name in ("by_day", "report"))
    version = model["kedro/run_id"]

    assert (version, version) == (model["kedro/version"], score["kedro/version"])
    assert (
        f"s3://by-processes/06_models/model.pickle/{version}/model.pickle" == model["dagster/uri"]
    )
    assert f"s3://by-processes/08_scores/north.json/{version}/north.json" == score["dagster/uri"]
    assert "s3://by-processes/02_by_day" == by_day["dagster/uri"]
    assert "s3://by-processes/08_report.json" == report["dagster/uri"]
    assert len(both.actual["08_report.json"]) == report["kedro/size_bytes"]
    assert 30.0 == score["metrics/mean_delay"]


def test_manifest_names_places(both):
    """The manifest has the objects' places, and the name of the credentials only."""
    manifest = json.loads((both.lake.folder / "manifest.json").read_text())
    entries = {each["name"]: each for each in manifest["datasets"]}

    assert "s3://by-processes/02_by_day" == entries["by_day"]["uri"]
    assert "s3://by-processes/08_scores/north.json" == entries["north.score"]["uri"]
    assert {"s3"} == {entries[name]["protocol"] for name in ("flights", "by_day", "model")}
    assert "lake" == entries["model"]["credentials"]


def test_no_secret_gets_out(both, access):
    """Neither the manifest nor anything in the event log holds a key."""
    told = (both.lake.folder / "manifest.json").read_text()
    told += "\n".join(entry.to_json() for entry in both.run.entries)

    assert "s3://by-processes/06_models/model.pickle" in told
    assert [] == [secret for secret in access.secrets if secret in told]


def test_only_missing_looks_into_the_bucket(both, run_job, server):
    """The one output that is gone is made again, from what is there."""
    server.ask("DELETE", "by-processes/08_report.json")
    run = run_job(both.lake.folder, "__default__", only_missing_outputs=True)

    assert run.success, run.errors
    assert ["report"] == started(run)
    assert run.materializations["model"]["kedro/already_there"]
    assert both.expected == server.objects("by-processes")


def test_pinned_version_is_loaded(both, run_job, server):
    """A version that is asked for is read, and not the newest."""
    old = f"by-processes/06_models/model.pickle/{OLD_VERSION}/model.pickle"
    server.ask("PUT", old, pickle.dumps({"mean": 7.0}))
    run = run_job(
        both.lake.folder,
        "__default__",
        select=["north/score"],
        load_versions={"model": OLD_VERSION},
    )
    server.ask("DELETE", old)

    assert run.success, run.errors
    assert ["judge"] == started(run)
    assert 7.0 == run.materializations["north/score"]["metrics/mean_delay"]


def test_check_leaves_nothing_in_the_store(both, check, server):
    """It writes to the bucket, and takes that away again."""
    before = server.keys("by-processes")
    found, _ = check(both.lake.folder)

    assert {} == found
    assert before == server.keys("by-processes")


def test_check_makes_no_bucket(make_lake, check, server, access):
    """A bucket that is not there is an error in the name of the store, and stays away."""
    lake = make_lake("by-check")
    (lake.folder / "conf/local/globals.yml").write_text("lake: s3://mistyped\n")
    found, printed = check(lake.folder)

    assert "error" == found["store"]["severity"]
    assert "s3://mistyped/staging" in found["store"]["message"]
    assert "mistyped" not in server.buckets()
    assert [] == [secret for secret in access.secrets if secret in printed]


def test_staging_makes_no_bucket(make_lake, export, run_job, server):
    """A store in a bucket that is not there fails the node that has saved to it."""
    lake = make_lake("by-mistake")
    orchestration = lake.folder / "conf/base/dagster.yml"
    orchestration.write_text(orchestration.read_text().replace("${globals:lake}", "s3://mistyped"))
    export(lake.folder)
    run = run_job(lake.folder, "__default__")

    assert not run.success
    assert "Cannot stage dataset 'totals' at 's3://mistyped/staging/" in run.error
    assert "mistyped" not in server.buckets()
