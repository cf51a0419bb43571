"""`kedro pipes plan`: what it shows, in each format, and how it fails."""

from __future__ import annotations

import importlib.util
import json
import re
import sys

import pytest

PLAN = [sys.executable, "-m", "kedro_pipes", "plan"]


@pytest.fixture
def plan(run_command):
    """Plan in a folder; return what is printed."""

    def run_plan(folder, *options):
        result = run_command([*PLAN, *options], folder)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run_plan


@pytest.fixture
def set_orchestration(spaceport):
    """Replace the project's dagster.yml."""

    def write(text):
        (spaceport / "conf/base/dagster.yml").write_text(text)
        (spaceport / "conf/cloud/dagster.yml").unlink(missing_ok=True)

    return write


def test_table(spaceport, plan):
    """A row for each group, what it waits for, and why its nodes share a process."""
    lines = plan(spaceport).splitlines()

    assert "Spaceport: 10 nodes in 8 groups, grouped by node" == lines[0]
    assert ["#", "GROUP", "AFTER", "TOGETHER BECAUSE OF"] == re.split(r"\s{2,}", lines[2])
    assert "4  north.select+1   3        in memory: north.features" in lines
    assert "     north.select" in lines


def test_clients(spaceport, plan, set_orchestration):
    """Where dagster.yml chooses clients, a column says which runs each group."""
    set_orchestration(
        "clients: {big: {type: subprocess, for: {nodes: [join]}}, default: {type: subprocess}}"
    )
    lines = plan(spaceport).splitlines()
    cells = [re.split(r"\s{2,}", line) for line in lines[2:]]

    assert ["#", "GROUP", "AFTER", "CLIENT", "TOGETHER BECAUSE OF"] == cells[0]
    assert {"big", "default"} == {row[3] for row in cells[1:] if row[1] in {"join", "announce"}}


def test_no_colour_and_no_wrapping_where_nobody_looks(spaceport, plan, set_orchestration):
    """Piped output has no escape codes, and a line is as long as it must be."""
    set_orchestration("groups: {first: {nodes: [clean_companies, join]}, b: {nodes: [announce]}}")

    text = plan(spaceport, "--group-by", "pipeline")

    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) > 80


def test_json(spaceport, plan):
    """The same for programs: stable keys, exact names, edges by kind."""
    view = json.loads(plan(spaceport, "--json", "--nodes", "north.fit"))

    assert {
        *("version", "project", "manifest", "filters", "strategy", "memory_datasets", "on_cycle"),
        *("selected", "added", "saved_besides", "groups", "edges", "staged", "warnings"),
    } == view.keys()
    assert {"pipelines": ["__default__"], "node_names": ["north.fit"]} == view["filters"]
    assert (["north.fit"], ["north.select"]) == (view["selected"], view["added"])
    assert [
        {
            "name": "north.select+1",
            "nodes": ["north.select", "north.fit"],
            "upstream": [],
            "labels": [],
            "in_memory": ["north.features"],
            "unpicklable": [],
            "confirmed": [],
            "between": [],
            "loads": ["model_input"],
            "saves": ["north.model"],
            "client": None,
        }
    ] == view["groups"]
    assert [
        {
            "source": "north.select",
            "target": "north.fit",
            "dataset": "north.features",
            "kind": "memory",
        }
    ] == view["edges"]


def test_filters_are_those_of_kedro_run(spaceport, plan):
    """Names and commas as there."""
    view = json.loads(
        plan(spaceport, "--pipelines", "training,reporting", "--tags", "north,south", "--json")
    )

    assert ["north.fit", "north.select", "south.fit", "south.select"] == sorted(view["selected"])


def test_what_runs_and_is_written_besides_is_said(spaceport, plan):
    """In-memory inputs are made again; what their nodes save besides is named."""
    registry = spaceport / "src/spaceport/pipelines/training.py"
    registry.write_text(
        registry.read_text()
        .replace('"features", name="select"', '["features", "kept"], name="select"')
        .replace('return {"seats"', 'return {}, {"seats"')
    )
    with (spaceport / "conf/base/catalog.yml").open("a") as catalog:
        catalog.write('"{namespace}.kept":\n  type: json.JSONDataset\n  filepath: data/k.json\n')

    text = plan(spaceport, "--nodes", "north.fit")

    assert "Runs besides the selection, to make what is in memory only: north.select" in text
    assert "Written besides the selection: north.kept" in text


def test_overrides(spaceport, plan):
    """The command line goes before dagster.yml."""
    staged = json.loads(plan(spaceport, "--memory", "stage", "--json"))
    by_namespace = json.loads(plan(spaceport, "--group-by", "namespace", "--json"))

    assert (["north.features", "south.features"], 10) == (staged["staged"], len(staged["groups"]))
    assert [{"kind": "namespace", "name": "north"}] == next(
        group["labels"] for group in by_namespace["groups"] if group["name"] == "north"
    )


def test_what_cannot_be_pickled_is_said(spaceport, plan, set_orchestration):
    """Where all is staged, the table and the JSON say why some nodes are together all the same."""
    training = spaceport / "src/spaceport/pipelines/training.py"
    training.write_text(training.read_text().replace('return {"seats"', 'return lambda: {"seats"'))
    set_orchestration("memory_datasets: stage")
    because = "cannot be pickled: north.features (north.select returns a lambda)"
    view = json.loads(plan(spaceport, "--json", "--nodes", "north.fit"))

    assert because in plan(spaceport)
    assert [
        {"dataset": "north.features", "node": "north.select", "reason": "returns a lambda"}
    ] == view["groups"][0]["unpicklable"]
    set_orchestration("memory_datasets: {north.features: stage}")
    assert because not in plan(spaceport)


def test_widened_groups_are_warned_of_with_their_path(spaceport, plan, set_orchestration):
    """The exit code stays 0; `refuse` makes it 1."""
    set_orchestration("groups: {ends: {nodes: [clean_companies, split_by_origin]}}")

    text = plan(spaceport)

    assert "Warning: Groups became one: group 'ends', node 'join' would wait" in text
    assert "clean_companies -> join -> split_by_origin" in text


def test_refused_groups_fail(spaceport, run_command, set_orchestration):
    """`--on-cycle refuse`: one line, exit code 1, the path in it."""
    set_orchestration("groups: {ends: {nodes: [clean_companies, split_by_origin]}}")

    result = run_command([*PLAN, "--on-cycle", "refuse"], spaceport)

    assert result.returncode == 1
    assert "clean_companies -> join -> split_by_origin" in result.stderr.splitlines()[-1]
    assert "" == result.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--nodes", "north.fitt"], "Did you mean 'north.fit'"),
        (["--tags", "dayly"], "Did you mean 'daily'"),
        (["--tags", "daily", "--namespaces", "north"], "no node passes all of the filters"),
        (["--manifest", "nowhere.json"], "Cannot read manifest 'nowhere.json'"),
    ],
    ids=str,
)
def test_errors_are_one_line(spaceport, run_command, options, message):
    """A plan that cannot be made is exit code 1 and a line that helps."""
    result = run_command([*PLAN, *options], spaceport)

    assert result.returncode == 1
    assert message in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_a_project_without_nodes(spaceport, run_command):
    """A new project is told what to do first; no filter is blamed, since none was given."""
    registry = spaceport / "src/spaceport/pipeline_registry.py"
    registry.write_text("def register_pipelines():\n    return {}\n")

    result = run_command(PLAN, spaceport)

    assert 1 == result.returncode
    assert (
        "Cannot plan: the project has no nodes yet. Write a pipeline, and register it."
        == result.stderr.splitlines()[-1]
    )


def test_a_manifest_needs_no_project(spaceport, tmp_path, plan, export, run_command):
    """With `--manifest` nothing is loaded; options for a project are refused there."""
    (tmp_path / "m.json").write_text(json.dumps(export(spaceport)))
    (tmp_path / "empty").mkdir()

    assert plan(spaceport) == plan(tmp_path / "empty", "--manifest", "../m.json")
    refused = run_command([*PLAN, "--manifest", "../m.json", "--env", "x"], tmp_path / "empty")
    assert (2, True) == (refused.returncode, "--env is for the project" in refused.stderr)


def test_mermaid(spaceport, plan):
    """A frame for each group of several, dotted arrows for what is in memory."""
    lines = plan(spaceport, "--format", "mermaid", "--to-outputs", "north.model").splitlines()

    assert "flowchart LR" == lines[0]
    assert '  subgraph g3["north.select+1"]' in lines
    assert '  n3 -.->|"north.features"| n4' in lines
    assert '  n0["clean_companies"]' in lines


def test_mermaid_draws_groups_where_nodes_are_too_many():
    """What Mermaid would refuse is drawn in groups; any name is text, not syntax."""
    from kedro_pipes.commands.plan_picture import draw_mermaid  # noqa: PLC0415
    from kedro_pipes.commands.plan_view import GroupView, PlanView  # noqa: PLC0415

    def group(name, nodes, upstream):
        nothing = {"labels": [], "in_memory": [], "confirmed": [], "between": []}
        return GroupView(name=name, nodes=nodes, upstream=upstream, loads=[], saves=[], **nothing)

    view = PlanView(
        project="p",
        manifest="",
        filters={},
        strategy="node",
        memory_datasets="group",
        on_cycle="widen",
        selected=[],
        added=[],
        saved_besides=[],
        groups=[group('<lambda>__"1"', ["a"], []), group("b", ["b", "c"], ['<lambda>__"1"'])],
        edges=[],
        staged=[],
        warnings=[],
    )

    assert [
        "flowchart LR",
        '  g0["#lt;lambda#gt;__#quot;1#quot;"]',
        '  g1["b (2 nodes)"]',
        "  g0 --> g1",
    ] == draw_mermaid(view, most_boxes=2).splitlines()


def test_svg(spaceport, run_command):
    """With the extra there is a picture; without it, one line says what to install."""
    result = run_command([*PLAN, "--format", "svg", "-o", "plan.svg"], spaceport)

    if importlib.util.find_spec("mermaidx"):
        assert result.returncode == 0, result.stderr
        assert (spaceport / "plan.svg").read_text().startswith("<svg")
    else:
        assert result.returncode == 1
        assert "pip install 'kedro-dagster-pipes[svg]'" in result.stderr.splitlines()[-1]


def test_under_kedros_command_line(spaceport, kedro, run_command):
    """`kedro pipes plan -o FILE` keeps the file free of what Kedro logs."""
    result = run_command([kedro, "pipes", "plan", "--json", "-o", "plan.json"], spaceport)

    assert result.returncode == 0, result.stderr
    assert 8 == len(json.loads((spaceport / "plan.json").read_text())["groups"])


def test_help_teaches(spaceport, run_command):
    """Every filter of `kedro run`, and examples."""
    text = run_command([*PLAN, "--help"], spaceport).stdout

    for option in ("--pipelines", "--from-inputs", "--to-outputs", "--namespaces", "--on-cycle"):
        assert option in text
    assert "kedro pipes plan --to-outputs report" in text
