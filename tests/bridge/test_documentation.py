"""The snippets of the how-to pages, on the example that they speak of."""

import re
import subprocess
from pathlib import Path

import dagster as dg
import msgspec
import pytest
import yaml
from dagster.components.testing import create_defs_folder_sandbox
from dagster_kedro import KedroProject, KedroProjectComponent, KedroStockClient, build_definitions
from dagster_kedro.clients.directory import make_client
from kedro_manifest.codec import read_manifest, write_manifest
from kedro_manifest.model import Parameter
from kedro_manifest.orchestration.root import read_orchestration
from kedro_manifest.preflight.check import check_manifest

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "docs/examples/nyc_flights"


@pytest.fixture(scope="module")
def example(tmp_path_factory, kedro_python):
    """The example's manifest in a folder `flights`, as where it is deployed."""
    folder = tmp_path_factory.mktemp("example") / "flights"
    command = [kedro_python, "-m", "kedro_pipes", "export", "-o", folder / "manifest.json"]
    subprocess.run(command, cwd=EXAMPLE, check=True)
    (folder / "pyproject.toml").write_text((EXAMPLE / "pyproject.toml").read_text())
    return folder


def snippets(page, language):
    text = (REPOSITORY / "docs/how-to" / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def test_customise(example):
    """Every snippet runs after the ones before it, and what it defines can be loaded."""
    file = example.parent / "definitions.py"
    names = {"__file__": str(file), "__name__": "definitions"}
    loaded = 0
    for snippet in snippets("customise.md", "python"):
        exec(compile(snippet, file, "exec"), names)
        if "defs = " in snippet:
            dg.Definitions.validate_loadable(names["defs"])
            loaded += 1

    assert loaded >= 6


def test_listen_to_events(example, copy_of, open_project, run_definitions):
    """The snippets load, and the page's function is told what real workers do."""
    file = example.parent / "definitions.py"
    names = {"__file__": str(file), "__name__": "definitions"}
    for snippet in snippets("listen-to-events.md", "python"):
        exec(compile(snippet, file, "exec"), names)
    dg.Definitions.validate_loadable(names["defs"])
    names["SLOW_S"] = -1
    relay = open_project(copy_of("relay"))
    run = run_definitions(build_definitions(relay, on_event=names["on_event"]), "two")

    assert ("INFO", "Progress: 2 of 2 nodes, 0 running.") in run.logged
    assert ("WARNING", "give_two took 0 s.") in run.logged
    assert {"kedro/cpu_s", "kedro/peak_memory_bytes"} <= run.materializations["first"].keys()


def test_logs_pages(example):
    """Every `dagster.yml` of the pages on logs and events fits the example."""
    read = [*snippets("read-logs.md", "yaml"), *snippets("listen-to-events.md", "yaml")]

    assert 2 == len(read)
    for snippet in read:
        found = check_manifest(described(example, yaml.safe_load(snippet)))
        assert [] == [each for each in found if "dagster.yml" in each.place]


def test_component(example):
    """Every `defs.yaml` on the page loads, and the long one does what it says."""
    for snippet in snippets("use-the-component.md", "yaml"):
        text = re.sub(r"\{\{ context\.project_root \}\}/\.\./flights", str(example), snippet)
        with create_defs_folder_sandbox() as sandbox:
            path = sandbox.scaffold_component(
                KedroProjectComponent,
                scaffold_params={"project_path": str(example)},
                defs_yaml_contents=yaml.safe_load(text),
            )
            with sandbox.load_component_and_build_defs(path) as (component, definitions):
                dg.Definitions.validate_loadable(definitions)

    specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
    model = specs["flights/linear/model"]
    assert ("linear", "model") == (model.group_name, model.tags["tier"])
    assert {"split": {"test_share": 0.3}} == component.parameters


def test_automate(example, tmp_path):
    """Every snippet of a `dagster.yml` on the page can be loaded, and makes what it is about."""
    manifest = read_manifest(example / "manifest.json")
    landed = Parameter(name="landed_file", type="null")
    found = set()
    for snippet in snippets("automate.md", "yaml"):
        described = msgspec.structs.replace(
            manifest,
            orchestration=yaml.safe_load(snippet),
            parameters=[*manifest.parameters, landed],
        )
        write_manifest(described, tmp_path / "manifest.json")
        definitions = build_definitions(KedroProject(tmp_path))
        dg.Definitions.validate_loadable(definitions)
        assert [] == [each for each in check_manifest(described) if "dagster.yml" in each.place]
        repository = definitions.get_repository_def()
        found |= {each.name for each in (*repository.sensor_defs, *repository.schedule_defs)}

    assert {
        "new_weather",
        "new_monthly_files",
        "train_after_processing",
        "observe_inputs_schedule",
        "automation",
    } == found


def described(example, content):
    """Return the example's manifest with another `dagster.yml`."""
    return msgspec.structs.replace(read_manifest(example / "manifest.json"), orchestration=content)


def test_group_nodes(example):
    """Every `dagster.yml` on the page fits the example; one groups nodes that have to widen."""
    warned = []
    for snippet in snippets("group-nodes.md", "yaml"):
        found = check_manifest(described(example, yaml.safe_load(snippet)))
        assert [] == [each for each in found if each.severity == "error"]
        warned += [each.message for each in found if each.place == "dagster.yml: grouping"]

    (widened,) = warned
    assert widened.startswith("Groups became one: group 'ends'")


def test_jobs_and_schedules(example, tmp_path):
    """The snippets of the page make one file, whose jobs and schedules can be loaded."""
    content = {}
    for snippet in snippets("jobs-and-schedules.md", "yaml"):
        for room, entries in yaml.safe_load(snippet).items():
            content[room] = content.get(room, {}) | entries
    write_manifest(described(example, content), tmp_path / "manifest.json")
    definitions = build_definitions(KedroProject(tmp_path))
    dg.Definitions.validate_loadable(definitions)

    assert {"ingest", "cautious", "boosting__training", "linear__training"} <= {
        job.name for job in definitions.jobs
    }
    assert ["cautious_schedule"] == [schedule.name for schedule in definitions.schedules]


def test_use_other_clients(tmp_path, monkeypatch):
    """The page's function makes a client of what its `dagster.yml` says."""
    (source, *_) = snippets("use-other-clients.md", "python")
    (tmp_path / "our_clients.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    (content,) = snippets("use-other-clients.md", "yaml")
    entry = read_orchestration(yaml.safe_load(content)).clients["fargate"]

    assert isinstance(make_client("fargate", entry), KedroStockClient)
