"""`checked`: validators of the catalog in the manifest, and what a worker reports of its checks."""

import json
import shutil
import sys
from collections import Counter
from io import StringIO
from pathlib import Path

import pytest
from kedro.pipeline import node
from kedro_manifest.invocation import DatasetCheck, Invocation
from kedro_pipes.worker.checks import BlockedByCheckError, DatasetChecks
from kedro_pipes.worker.lengths import length_of
from kedro_pipes.worker.reports import PrintedReports

CHECKED = Path(__file__).parents[1] / "projects/checked"
NODES = ["extend", "double", "sort", "add_up", "comment", "stand_apart"]
SAID = {"has_some", "is_short", "unheard_of"}
"""Checks that the nodes' own code reports."""
newest = pytest.mark.newest


@pytest.fixture
def folder(tmp_path):
    """A copy of the project."""
    made = tmp_path / "checked"
    shutil.copytree(CHECKED, made, ignore=shutil.ignore_patterns("__pycache__"))
    (made / "conf/local").mkdir(exist_ok=True)
    return made


def check(dataset, kind="validator", **fields):
    """What a worker is asked of a dataset."""
    key = {"asset_key": dataset, "dataset": dataset, "kind": kind, "name": kind, "blocking": True}
    return {**key, **fields}


VALIDATORS = [check(name) for name in ("raw", "numbers", "doubled", "sorted_once")]
WARNING = check("total", severity="WARN", blocking=False)


@pytest.fixture
def work(folder, run_command):
    """Run the project in one worker by hand; return the exit code, what it reports, its errors."""

    def run(checks=(), *, added=(), environment=None, **fields):
        parameters = {"added": list(added) if added is not None else None}
        (folder / "conf/base/parameters.yml").write_text(json.dumps(parameters))
        invocation = {
            "group": "all",
            "nodes": NODES,
            "pipelines": ["__default__"],
            "kedro_run_id": "2026-01-01T00.00.00.000Z",
            "dagster_run_id": "by-hand",
            "package_name": "checked",
            "checks": list(checks),
            **fields,
        }
        (folder / "invocation.json").write_text(json.dumps(invocation))
        command = [sys.executable, "-m", "kedro_pipes", "--invocation", "invocation.json"]
        result = run_command(command, folder, **(environment or {}))
        lines = [json.loads(each) for each in result.stdout.splitlines() if each[:1] == "{"]
        return result.returncode, lines, result.stderr

    return run


def checks_of(lines, *, said=False):
    """Return what each check came to, in the order of the reports; or of those that nodes make."""
    return [
        (line["asset_key"], line["name"], line["passed"], line["severity"])
        for line in lines
        if line["event"] == "Check" and said == (line["name"] in SAID)
    ]


def reasons_of(lines):
    """Return the reasons of checks that did not pass."""
    return [
        line["metadata"]["kedro/reason"]
        for line in lines
        if line["event"] == "Check" and not line["passed"] and line["name"] not in SAID
    ]


def finished(lines):
    """Return the names of finished nodes."""
    return {line["node"] for line in lines if line["event"] == "NodeFinished"}


@newest
def test_validators_in_the_manifest(folder, export):
    """They are there as Kedro reads them, those of factories too; options and idle ones are not."""
    validators = {each["name"]: each.get("validator") for each in export(folder)["datasets"]}

    both = {"class_path": "checked.validators.NoNegatives", "on": ["load", "save"]}
    error = {**both, "severity": "error", "skip_load_after_save": False}
    assert error == validators["raw"] == validators["numbers"]
    assert {**error, "skip_load_after_save": True} == validators["sorted_once"]
    assert "warn" == validators["total"]["severity"]
    assert validators["note"] is None


@newest
def test_an_entry_that_kedro_would_refuse(folder, try_export):
    """The export says which dataset's it is, and why."""
    catalog = folder / "conf/base/catalog.yml"
    catalog.write_text(catalog.read_text().replace("severity: warn", "severity: awful"))
    result = try_export(folder)

    assert result.returncode != 0
    assert "Cannot export dataset 'total': " in result.stderr
    assert "'severity' must be one of ['error', 'warn'], got 'awful'" in " ".join(
        result.stderr.split()
    )


@newest
def test_results(work, folder):
    """Each dataset has a result after it was saved, and one that is only read when it is loaded."""
    code, lines, errors = work([*VALIDATORS, WARNING])

    assert 0 == code, errors
    assert [
        ("raw", "validator", True, "ERROR"),
        ("numbers", "validator", True, "ERROR"),
        ("doubled", "validator", True, "ERROR"),
        ("sorted_once", "validator", True, "ERROR"),
        ("total", "validator", False, "WARN"),
    ] == sorted(checks_of(lines), key=lambda each: NAMES.index(each[0]))
    assert ["ValueError: 12 is small"] == reasons_of(lines)
    calls = Counter((folder / "data/calls.log").read_text().split())
    assert {"raw": 1, "numbers": 3, "doubled": 2, "sorted_once": 1} == calls


NAMES = ["raw", "numbers", "doubled", "sorted_once", "total"]


@newest
@pytest.mark.parametrize(
    "how",
    [{}, {"is_async": True, "nodes": NODES[:-1]}, {"runner": "thread"}],
    ids=["sequential", "async", "thread"],
)
def test_a_failed_check_stops_what_reads_the_dataset(work, how):
    """Its consumers are not begun; the node that wrote it has finished, and nothing has failed."""
    empty = check("numbers", "not_empty")
    code, lines, errors = work([empty, check("apart", "not_empty")], added=None, **how)

    assert code != 0
    assert "BlockedByCheckError: Node '" in errors
    assert ("numbers", "not_empty", False, "ERROR") in checks_of(lines)
    assert "extend" in finished(lines)
    assert {"double", "comment"}.isdisjoint(
        line["node"] for line in lines if line["event"] == "NodeStarted"
    )
    assert [] == [line for line in lines if line["event"] == "NodeFailed"]


@newest
def test_a_check_of_a_node_stops_what_reads_the_dataset(work):
    """So does one that the node itself reports, if it is declared as one that blocks."""
    declared = check("numbers", "reported", name="has_some")
    code, lines, errors = work([declared], added=None)

    assert code != 0
    assert "blocking check 'has_some' of 'numbers'" in errors
    assert [("numbers", "has_some", False, "ERROR")] == checks_of(lines, said=True)
    assert {"double", "comment"}.isdisjoint(finished(lines))


def test_a_check_that_a_node_reports_through_pipes():
    """It is taken note of: an error of one that blocks stops what reads the dataset, and that only."""
    invocation = Invocation(
        group="all",
        nodes=["fit"],
        pipelines=[],
        kedro_run_id="",
        dagster_run_id="",
        package_name="shop",
        checks=[
            DatasetCheck(name="ok", kind="reported", dataset="a@b", asset_key="a", blocking=True)
        ],
    )
    checks = DatasetChecks(invocation, PrintedReports(StringIO()))
    reads = [node(len, name, "length") for name in ("a@c", "b")]
    for severity, passed in (("WARN", False), ("ERROR", True)):
        checks.notice("a", "ok", severity, passed=passed)
        checks.admit(reads[0])
    checks.notice("a", "ok", "ERROR", passed=False)

    checks.admit(reads[1])
    with pytest.raises(BlockedByCheckError, match="blocking check 'ok' of 'a'"):
        checks.admit(reads[0])


@newest
def test_a_check_that_does_not_block(work):
    """An empty dataset that only counts as failed, or is warned of, stops nothing."""
    for fields in ({"blocking": False}, {"severity": "WARN"}):
        code, lines, errors = work([check("numbers", "not_empty", **fields)], added=None)

        assert 0 == code, errors
        assert ("numbers", "not_empty", False) == checks_of(lines)[0][:3]


@newest
@pytest.mark.parametrize("is_async", [False, True])
def test_what_kedro_refuses_to_save(work, is_async):
    """The check fails before the node does, with the reason."""
    # Kedro saves no chunks asynchronously.
    code, lines, _ = work(VALIDATORS, added=[-1], is_async=is_async, nodes=NODES[:-1])

    assert code != 0
    assert ("numbers", "validator", False, "ERROR") == checks_of(lines)[-1]
    assert ["ValueError: negative: [-1]"] == reasons_of(lines)
    (failed,) = (line for line in lines if line["event"] == "NodeFailed")
    assert ("extend", "save", "numbers") == (failed["node"], failed["phase"], failed["dataset"])


@newest
def test_chunks_are_judged_together(work):
    """One empty chunk of a generator node makes no empty dataset."""
    _, lines, _ = work([check("apart", "not_empty")], nodes=["stand_apart"])

    (result,) = (line for line in lines if line["event"] == "Check")
    assert (True, {"kedro/length": 1}) == (result["passed"], result["metadata"])


@newest
def test_what_kedro_refuses_to_load(work, folder):
    """It is the check of what was loaded that fails."""
    (folder / "data/01_raw/raw.json").write_text("[-5]")
    code, lines, _ = work(VALIDATORS)

    assert code != 0
    assert [("raw", "validator", False, "ERROR")] == checks_of(lines)


@newest
def test_a_validator_that_cannot_be_made(work, folder):
    """It is no dataset that is wrong, but no check has passed either."""
    catalog = folder / "conf/base/catalog.yml"
    catalog.write_text(catalog.read_text().replace("{dataset: numbers}", "{datasets: numbers}"))
    code, lines, _ = work(VALIDATORS)

    assert code != 0
    assert ("numbers", "validator", False, "ERROR") == checks_of(lines)[-1]
    assert "Could not instantiate validator" in reasons_of(lines)[0]


@newest
def test_validation_that_is_switched_off(work):
    """Nothing is validated, which is said as a warning and is no success of a check."""
    environment = {"KEDRO_DATASET_VALIDATION": "0"}
    code, lines, errors = work([check("numbers")], added=[-1], environment=environment)

    assert 0 == code, errors
    assert [("numbers", "validator", False, "WARN")] == checks_of(lines)
    assert "Cannot be told: Kedro has not validated it." in reasons_of(lines)[0]


@newest
def test_a_staged_dataset_keeps_its_validator(work, folder):
    """What would have stayed in memory is validated as well when it crosses to another worker."""
    staged = {"doubled": str(folder / "stage/doubled.pickle")}
    code, lines, errors = work([check("doubled")], staged=staged)

    assert 0 == code, errors
    assert [("doubled", "validator", True, "ERROR")] == checks_of(lines)


@newest
def test_what_another_worker_has_validated(work, folder):
    """A validator that is content with validation on saving is so across workers."""
    work()
    (folder / "data/calls.log").unlink()
    code, _, errors = work(nodes=["add_up"], validated=["sorted_once"])

    assert 0 == code, errors
    assert not (folder / "data/calls.log").exists()


@newest
def test_what_is_stored(work, folder):
    """It is loaded and checked, and no node is run."""
    work(added=[4])
    stored = [*VALIDATORS[:2], WARNING, check("numbers", "not_empty"), check("note", "not_empty")]
    (folder / "data/note.json").unlink()
    code, lines, errors = work(stored, nodes=[], check_stored=True)

    assert 0 == code, errors
    assert set(checks_of(lines)) == {
        ("raw", "validator", True, "ERROR"),
        ("numbers", "validator", True, "ERROR"),
        ("numbers", "not_empty", True, "ERROR"),
        ("total", "validator", False, "WARN"),
        ("note", "not_empty", False, "ERROR"),
    }
    assert any("Cannot be told: it cannot be loaded." in reason for reason in reasons_of(lines))
    assert not (folder / "data/note.json").exists()


class Lazy:
    """Data whose shape nobody has computed yet."""

    shape = (object(), 2)


class Sized:
    """A model: it has a length, but no content."""

    def __len__(self):
        return 3


@pytest.mark.parametrize(
    ("data", "length"),
    [([1, 2], 2), ({}, 0), ("abc", 3), (b"", 0), (3.5, None), (Lazy(), None), (Sized(), None)],
)
def test_lengths(data, length):
    """Items and characters are counted; what cannot be told is not guessed."""
    assert length == length_of(data)


def test_length_of_a_table():
    """It is that of its rows, be there columns or not."""
    pandas = pytest.importorskip("pandas")

    assert [2, 0, 3] == [
        length_of(pandas.DataFrame({"a": [1, 2]})),
        length_of(pandas.DataFrame({"a": []})),
        length_of(pandas.DataFrame(index=range(3))),
    ]
