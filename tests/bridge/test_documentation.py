"""The snippets of the how-to pages, on the example that they speak of."""

import re
import shutil
import subprocess
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

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
    return fenced(text, language)


def fenced(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def run_snippets(blocks, folder):
    """Run snippets of Python one after the other, as a file of definitions in a folder."""
    file = folder / "definitions.py"
    names = {"__file__": str(file), "__name__": "definitions"}
    for block in blocks:
        exec(compile(block, file, "exec"), names)
    return names


def test_readme(example, tmp_path):
    """Both snippets make definitions that load, and what stands in YAML fits them."""
    (tmp_path / "my-project").symlink_to(example)
    text = (REPOSITORY / "README.md").read_text()
    for block in fenced(text, "python"):
        defs = run_snippets([block], tmp_path)["defs"]
        dg.Definitions.validate_loadable(defs)
    orchestration, config = (yaml.safe_load(block) for block in fenced(text, "yaml"))
    job = build_definitions(KedroProject(example)).resolve_job_def("__default__")

    assert {"flights"} == {key.path[0] for asset in defs.assets for key in asset.keys}
    assert [] == [
        each
        for each in check_manifest(described(example, orchestration))
        if each.severity == "error"
    ]
    assert dg.validate_run_config(job, config)


def test_several_projects(example, tmp_path):
    """Two projects load in one location, with a job of both."""
    for name in ("flights", "weather"):
        shutil.copytree(example, tmp_path / name)
    defs = run_snippets(snippets("several-projects.md", "python"), tmp_path)["defs"]
    dg.Definitions.validate_loadable(defs)

    assert {"everything", "flights___default__", "weather___default__"} <= {
        job.name for job in defs.resolve_all_job_defs()
    }
    assert {"flights_kedro", "weather_kedro"} <= defs.resources.keys()


def test_partition_data_in_python(example):
    """The node makes the months that it is told of; the translator partitions what it is meant for."""
    node, translator = snippets("partition-data.md", "python")
    (imports, *_) = snippets("customise.md", "python")
    names = run_snippets([imports, node, translator], example.parent)
    orders = [{"month": "2013-01", "amount": 1}, {"month": "2013-02", "amount": 2}]

    assert {"2013-02": [2]} == names["split"](orders, ["2013-02"])
    assert {"2013-01", "2013-02"} == names["split"](orders, []).keys()
    defs = build_definitions(KedroProject(example), translator=names["ByRegion"]())
    dg.Definitions.validate_loadable(defs)


def test_component_in_python(example, tmp_path, monkeypatch):
    """The subclass has its way with the assets of a project."""
    (source,) = snippets("use-the-component.md", "python")
    (tmp_path / "our_components.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with create_defs_folder_sandbox() as sandbox:
        path = sandbox.scaffold_component(
            import_module("our_components").Flights,
            scaffold_params={"project_path": str(example)},
        )
        with sandbox.load_component_and_build_defs(path) as (_, definitions):
            specs = {
                spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()
            }

    assert specs["linear/model"].automation_condition
    assert not specs["flights"].automation_condition


@pytest.mark.parametrize("page", ["metadata.md", "check-data.md"])
def test_report(page):
    """What a node says of its outputs does nothing where no worker of ours runs it."""
    (source,) = snippets(page, "python")
    model = SimpleNamespace(trees=200, seconds=3, r2=0.5)
    names = {"fit": lambda *given: model if len(given) > 1 else (model, model.r2)}
    exec(compile(source, page, "exec"), names)
    train = names.get("train") or names["train_model"]

    assert model is train(*["data"] * train.__code__.co_argcount)


def test_object_stores(example, monkeypatch):
    """A stock client is made that leaves context and messages in a bucket."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    (source,) = snippets("use-object-stores.md", "python")

    assert isinstance(run_snippets([source], example)["client"], dg.PipesSubprocessClient)


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


def test_reading_what_a_worker_has_saved(example, tmp_path):
    """An asset of one's own finds the file that the materialization names, after what makes it."""
    names = run_snippets(snippets("customise.md", "python"), example.parent)
    report = tmp_path / "report.md"
    report.write_text("Late.")

    @dg.asset
    def delay_report() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"dagster/uri": str(report)})

    run = dg.materialize([delay_report, names["dashboard"]])

    assert "<pre>Late.</pre>" == run.output_for_node("dashboard")


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
