"""What node code says through `kedro_pipes.report`: merged with what is saved, never a failure."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from kedro.pipeline import node
from kedro_manifest.invocation import Invocation
from kedro_pipes import report
from kedro_pipes.worker.statements import Statements

ASSETS = {name: f"shop/{name}" for name in ("numbers", "spoken", "stammered", "boasted", "murmur")}


@pytest.fixture
def speak(work):
    """Run nodes of the pipeline `speaking` whose outputs are selected assets."""

    def run(*nodes, **fields):
        fields = {"dataset_assets": ASSETS, "node_assets": {"murmur": "shop/murmur"}, **fields}
        code, events = work("speaking", *nodes, known_assets=ASSETS, **fields)
        made = {
            event["asset_key"]: event for event in events if event["event"] == "Materialization"
        }
        return code, made, [event for event in events if event["event"] == "Check"]

    return run


@pytest.mark.parametrize("runner", ["sequential", "thread"])
def test_everything_that_can_be_said(speak, runner):
    """It is part of the materialization, and the checks follow it."""
    code, made, checks = speak("count", "speak", runner=runner)
    said = made["shop/spoken"]

    assert 0 == code
    assert {"mean": 2.0, "where": "data", "from a thread": True}.items() <= said["metadata"].items()
    assert {"a": [1, [2]]} == said["metadata"]["odd"]
    assert "third edition" == said["data_version"]
    assert {
        "deps_by_column": {
            "total": [
                {"asset_key": "shop/numbers", "column_name": "amount"},
                {"asset_key": "shop/numbers", "column_name": "tax"},
            ]
        }
    } == said["metadata"]["dagster/column_lineage"]
    assert [
        ("shop/spoken", "is_short", True, "ERROR", {"length": 3}),
        ("shop/spoken", "is_sorted", False, "WARN", {}),
    ] == [
        (each["asset_key"], each["name"], each["passed"], each["severity"], each["metadata"])
        for each in checks
    ]
    assert "mean" not in made["shop/numbers"]["metadata"]


def test_what_is_wrong_fails_nothing(speak):
    """The node is finished, and its output is reported without what was wrong."""
    code, made, checks = speak("count", "stammer")

    assert 0 == code
    assert not checks
    assert not {"a", "dagster/column_lineage"} & made["shop/stammered"]["metadata"].keys()


@pytest.fixture
def statements():
    """What the worker keeps, of one node of a namespaced pipeline that is running."""
    names = {"one": "two", "europe.features": "europe.model"}
    nodes = {
        f"make {made}": node(len, read, made, name=f"make-{made}") for read, made in names.items()
    }
    invocation = Invocation(
        group="all",
        nodes=list(nodes),
        pipelines=["all"],
        kedro_run_id="1",
        dagster_run_id="1",
        package_name="shop",
    )
    statements = Statements(invocation, lambda: "make europe.model")
    statements.know(nodes)
    return statements


@pytest.mark.parametrize(
    ("say", "told"),
    [
        (
            lambda said: said.metadata("mode", {"a": 1}),
            "expected the name of a dataset that the node writes ('europe.model'), got 'mode'.",
        ),
        (
            lambda said: said.metadata("model", [1]),
            "expected a mapping of names to values, got a list",
        ),
        (lambda said: said.metadata("model", {"a": object()}), "'a' was converted or cut"),
        (
            lambda said: said.check("fine", "model", True, "BAD", {}),  # noqa: FBT003
            "Cannot report check 'fine' of 'model': expected the severity 'ERROR' or 'WARN', got 'BAD'.",
        ),
        (
            lambda said: said.column_lineage("model", {"a": [("one", "b")]}),
            "a dataset that the node reads ('europe.features'), got 'one'",
        ),
        (lambda said: said.column_lineage("model", {"a": ["b"]}), "Cannot report column lineage"),
        (lambda said: said.data_version("model", 7), "expected its version as a text, got 7"),
        (
            lambda said: (said.take("europe.model"), said.metadata(None, {})),
            "has been saved already",
        ),
    ],
)
def test_what_is_wrong_is_told(statements, caplog, say, told):
    """The log names what was said, of what, and what may be said instead."""
    say(statements)

    (record,) = caplog.records
    assert "WARNING" == record.levelname
    assert told in record.getMessage()


def test_a_namespace_may_be_left_out(statements, caplog):
    """The code of a node does not know in which namespace it runs."""
    statements.metadata("model", {"a": 1})
    statements.metadata("europe.model", {"b": 2})

    assert {"a", "b"} == statements.take("europe.model").metadata.keys()
    assert not caplog.records


def test_a_forked_process(statements, caplog):
    """What is said where nobody would ever read it is told, not lost."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        statements.metadata("model", {"a": 1})
        os.write(writing, caplog.text.encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert b"in a process that the node forked" in os.read(reading, 10_000)
    assert not statements.take("europe.model").metadata


def test_a_node_that_fails_has_no_checks(speak):
    """What it said of an output that was never saved is not reported."""
    code, made, checks = speak("boast")

    assert 1 == code
    assert not made
    assert not checks


def test_a_node_without_outputs(speak):
    """It speaks of its own asset."""
    _, made, _ = speak("count", "speak", "murmur")

    assert 3 == made["shop/murmur"]["metadata"]["heard"]


def test_elsewhere_nothing_happens():
    """Where no worker runs the node, every call is taken, whatever is passed."""
    report.metadata("model", {"a": 1})
    report.metadata("model", object())
    report.check("sound", passed=True)
    report.column_lineage(None, {})
    report.data_version("model", "1")


def test_it_costs_nothing():
    """Importing it imports neither Kedro nor Pipes."""
    heavy = "import sys; from kedro_pipes import report; print([m for m in sys.modules if m in "
    heavy += "('kedro', 'dagster_pipes', 'msgspec', 'fsspec', 'kedro_manifest')])"
    out = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)

    assert "[]" == out.stdout.strip()
