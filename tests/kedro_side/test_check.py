"""`kedro pipes check`: what needs the live project, the exit code, and that nothing leaks."""

from __future__ import annotations

import json
import re
import sys

import pytest

CHECK = [sys.executable, "-m", "kedro_pipes", "check"]


@pytest.fixture
def check(run_command):
    """Check the project in a folder; return exit code and findings by code."""

    def run_check(folder, *options, **environment):
        result = run_command([*CHECK, "--json", *options], folder, **environment)
        assert result.stdout, result.stderr
        report = json.loads(result.stdout)
        return result.returncode, {each["code"]: each for each in report["findings"]}

    return run_check


def append(project, file, text):
    with (project / file).open("a") as end:
        end.write(text)


def change(project, file, old, new):
    path = project / "src/spaceport" / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_a_sound_project(spaceport, check):
    """Only what is in memory or used by no job is told of; the exit code is 0."""
    code, found = check(spaceport)

    assert (0, ["memory-edge", "unused-entry"]) == (code, list(found))
    assert found["memory-edge"]["place"].startswith("src/spaceport/pipelines/training.py:6: node")


def test_strict_fails_on_warnings(spaceport, check):
    """`--strict` is for CI that wants no doubts."""
    assert 1 == check(spaceport, "--strict")[0]


def test_table(spaceport, run_command):
    """A row, the message and the cure for each finding; how many at the end."""
    lines = run_command(CHECK, spaceport).stdout.splitlines()

    assert ["SEVERITY", "CODE", "PLACE"] == lines[0].split()
    assert lines[2].startswith("    In memory only: 'north.features'.")
    assert lines[3].startswith("    Cure: ")
    assert "0 errors, 3 warnings" == lines[-1]


def test_json_counts(spaceport, run_command):
    """The report has a version and counts."""
    report = json.loads(run_command([*CHECK, "--json"], spaceport).stdout)

    assert ("1.0", 0, 3) == (report["version"], report["errors"], report["warnings"])
    assert {"severity", "code", "place", "message", "cure"} == report["findings"][0].keys()


def test_missing_credentials_name_the_entry_and_never_a_value(spaceport, run_command):
    """A catalog entry's credentials that are not there are an error; those there stay secret."""
    append(spaceport, "conf/local/credentials.yml", "warehouse: {key: hush-hush-1}\n")
    append(
        spaceport,
        "conf/base/catalog.yml",
        "length:\n  type: text.TextDataset\n  filepath: s3://b/l\n  credentials: warehous\n",
    )
    change(spaceport, "pipelines/ingestion.py", '"model_input"', '["model_input", "length"]')

    result = run_command([*CHECK, "--json"], spaceport)
    found = {each["code"]: each for each in json.loads(result.stdout)["findings"]}

    assert 1 == result.returncode
    assert "conf/base/catalog.yml: length" == found["missing-credentials"]["place"]
    assert "Did you mean 'warehouse'?" in found["missing-credentials"]["cure"]
    assert "hush-hush-1" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("wrong", "message", "cure"),
    [
        ("kedro_dagster.DagsterPartitionedDataset", "No module named 'kedro_dagster'", "Install"),
        (
            "text.TextDataSet",
            "no 'TextDataSet' in 'kedro_datasets.text'",
            "mean 'text.TextDataset'",
        ),
    ],
)
def test_types_that_cannot_be_found(spaceport, check, wrong, message, cure):
    """A dataset that no run in this environment could make is an error, once for each entry."""
    catalog = spaceport / "conf/base/catalog.yml"
    catalog.write_text(catalog.read_text().replace("text.TextDataset", wrong))

    code, found = check(spaceport)

    assert (1, "error") == (code, found["dataset-type"]["severity"])
    assert message in found["dataset-type"]["message"]
    assert cure in found["dataset-type"]["cure"]


def test_types_in_images_are_doubtful_only(spaceport, check):
    """Workers elsewhere have what this environment lacks, maybe."""
    catalog = spaceport / "conf/base/catalog.yml"
    catalog.write_text(catalog.read_text().replace("text.TextDataset", "elsewhere.Dataset"))

    _, found = check(spaceport, "--client", "k8s")

    assert "warning" == found["dataset-type"]["severity"]


def test_what_pipelines_miss_is_named(spaceport, check):
    """Kedro's `find_pipelines` hides what could not be imported behind an error of its own."""
    registry = spaceport / "src/spaceport/pipeline_registry.py"
    registry.write_text(
        "def register_pipelines():\n"
        "    try:\n"
        "        import kedro_dagster\n"
        "    except ImportError as error:\n"
        "        raise ImportError('An error occurred.') from error\n"
    )

    _, found = check(spaceport)

    assert (
        "An error occurred (ModuleNotFoundError: No module named 'kedro_dagster')."
        in (found["project"]["message"])
    )


def test_unresolved_environment_variables_are_named(spaceport, check):
    """A variable that credentials need and nobody set is an error; other checks go on."""
    append(spaceport, "conf/local/credentials.yml", "w: {key: '${oc.env:NOT_SET_ANYWHERE}'}\n")

    code, found = check(spaceport)

    assert 1 == code
    assert "NOT_SET_ANYWHERE" in found["credentials"]["message"]
    assert "memory-edge" in found


def test_two_writers_are_a_finding_and_no_crash(spaceport, check):
    """What the exporter refuses has a code here, with both nodes."""
    change(
        spaceport,
        "pipeline_registry.py",
        "    return {**parts",
        "    from kedro.pipeline import node, pipeline\n\n"
        '    parts["more"] = pipeline([node(len, "companies", "summary", name="more")])\n'
        '    return {"__default__": parts["training"], **parts}\n    return {**parts',
    )

    code, found = check(spaceport)

    assert 1 == code
    assert "'more', 'summarize'" in found["two-writers"]["message"]


def test_what_kedro_refuses_is_a_finding_too(spaceport, check):
    """Two writers in one pipeline stop Kedro itself; the report is a report all the same."""
    change(
        spaceport, "pipelines/ingestion.py", '"clean_shuttles@pandas",\n', '"clean_companies",\n'
    )

    code, found = check(spaceport)

    assert (1, ["two-writers"]) == (code, list(found))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("(model_input, origin):", "(model_input, origin) -> 'Iterator':", "declares to return"),
        (
            "(model_input, origin):",
            "(model_input, origin) -> __import__('typing').Callable[[int], int]:",
            "declares to return Callable",
        ),
        ('return {"seats"', 'return lambda: {"seats"', "returns a lambda"),
    ],
)
def test_unpicklable_candidates(spaceport, check, old, new, what):
    """What is staged by name and says that it cannot be pickled is doubted before the run."""
    change(spaceport, "pipelines/training.py", old, new)
    kept = check(spaceport)[1]
    orchestration = (spaceport / "conf/base/dagster.yml").read_text()
    append(spaceport, "conf/base/dagster.yml", "\nmemory_datasets: stage\n")
    merged = check(spaceport)[1]
    (spaceport / "conf/base/dagster.yml").write_text(orchestration)
    append(spaceport, "conf/base/dagster.yml", "\nmemory_datasets: {north.features: stage}\n")
    staged = check(spaceport)[1]

    assert "memory-edge" in kept
    assert not {"unpicklable", "memory-edge"} & merged.keys()
    assert "unpicklable" not in kept
    assert what in staged["unpicklable"]["message"]
    assert "_datasets: {" in staged["unpicklable"]["cure"]


def test_generators_keep_their_last_chunk_only(spaceport, check):
    """A generator node overwrites what is in memory with each chunk, staged or not."""
    change(spaceport, "pipelines/training.py", 'return {"seats"', 'yield {"seats"')
    append(spaceport, "conf/base/dagster.yml", "\nmemory_datasets: stage\n")

    assert "the last one only" in check(spaceport)[1]["generator"]["message"]


def test_generators_are_not_asynchronous(spaceport, check):
    """Kedro refuses to save chunks asynchronously, and only when the node's turn comes."""
    change(spaceport, "pipelines/training.py", 'return {"seats"', 'yield {"seats"')
    group = "{nodes: [north.select, north.fit], is_async: true}"
    append(spaceport, "conf/base/dagster.yml", f"\ngroups: {{north: {group}}}\n")

    code, found = check(spaceport)

    assert 1 == code
    assert "'north.select' yields chunks" in found["generator-async"]["message"]


@pytest.mark.parametrize(
    ("store", "code"),
    [
        ("{url: pyproject.toml/staging}", "store"),
        ("{url: 'nosuchscheme://bucket/x'}", "store"),
        ("{backend: cloudpikle}", "store-backend"),
        ("{backend: math}", "store-backend"),
    ],
)
def test_a_store_that_cannot_be_used(spaceport, check, store, code):
    """Where staged data cannot be written, or pickled, is found before the first run."""
    append(spaceport, "conf/base/dagster.yml", f"\nstore: {store}\n")

    result, found = check(spaceport)

    assert 1 == result
    assert re.match(r"conf/base/dagster.yml:\d+: store\.", found[code]["place"])


def test_a_store_that_can_be_written_is_not_made(spaceport, check):
    """Asking leaves nothing behind."""
    append(spaceport, "conf/base/dagster.yml", "\nmemory_datasets: stage\n")

    assert 0 == check(spaceport)[0]
    assert not (spaceport / ".kedro-pipes").exists()


def test_local_paths_under_containers(spaceport, check):
    """One finding for each entry, with its file."""
    code, found = check(spaceport, "--client", "k8s")

    assert 0 == code
    assert found["local-path"]["place"].startswith("conf/base/catalog.yml: ")


CONTAINERS = """
clients:
  default: {type: docker, image: "spaceport:1", mount_project: MOUNTED}
"""
LAKE = "lake: {key: '${oc.env:LAKE_KEY}', region: '${oc.env:LAKE_REGION,eu}'} # ${oc.env:OLD}\n"


def test_what_containers_are_not_given(spaceport, check):
    """Paths, variables and `conf/local` are looked up in the project, with what a client gives."""
    append(spaceport, "conf/base/dagster.yml", CONTAINERS.replace("MOUNTED", "false"))
    append(spaceport, "conf/local/credentials.yml", LAKE.replace("LAKE_KEY", "LOCAL_KEY"))
    append(spaceport, "conf/base/credentials.yml", f"# {LAKE}{LAKE}")
    given = {"LAKE_KEY": "hush-hush-1", "LOCAL_KEY": "hush-hush-2", "OLD": ""}

    code, found = check(spaceport, **given)

    assert 1 == code
    assert "no mount of client 'default' has" in found["local-path"]["message"]
    assert "conf/base/catalog.yml: " in found["local-path"]["place"]
    assert "conf/base/credentials.yml" == found["unset-variable"]["place"]
    assert "'conf/local/credentials.yml'" in found["conf-local"]["message"]
    assert "hush-hush" not in json.dumps(found)


def test_what_a_mounted_project_gives(spaceport, check):
    """A container that sees the project's folder lacks variables only."""
    append(spaceport, "conf/base/dagster.yml", CONTAINERS.replace("MOUNTED", "true"))
    append(spaceport, "conf/local/credentials.yml", LAKE)

    code, found = check(spaceport, LAKE_KEY="hush-hush-1", OLD="")

    assert 0 == code
    assert {"local-path", "conf-local"}.isdisjoint(found)
    assert "variable LAKE_KEY" in found["unset-variable"]["message"]


def test_dockerignore_that_leaves_out_what_kedro_wants(spaceport, check):
    """The folder of the default environment has to be in the image, if empty."""
    append(spaceport, "conf/base/dagster.yml", CONTAINERS.replace("MOUNTED", "false"))
    (spaceport / ".dockerignore").write_text("conf/local/\n")

    found = check(spaceport)[1]

    assert ("error", ".dockerignore") == (
        found["conf-local"]["severity"],
        found["conf-local"]["place"],
    )


def test_missing_inputs_are_doubted_where_hooks_may_help(spaceport, check):
    """A free input without an entry is an error, and a warning if hooks could provide it."""
    change(spaceport, "settings.py", "HOOKS", "_UNUSED_HOOKS")
    change(
        spaceport,
        "pipelines/ingestion.py",
        'node(clean_companies, "companies"',
        'node(clean_companies, "compnies"',
    )
    plain = check(spaceport)[1]["missing-input"]
    append(
        spaceport,
        "src/spaceport/settings.py",
        "\nfrom kedro.framework.hooks import hook_impl\n\n\nclass Adds:\n    @hook_impl\n"
        "    def after_catalog_created(self, catalog):\n        ...\n\n\nHOOKS = (Adds(),)\n",
    )
    hooked = check(spaceport)[1]["missing-input"]

    assert ("error", "warning") == (plain["severity"], hooked["severity"])
    assert "compnies" in plain["message"]


def test_a_newer_kedro_was_meant(spaceport, check):
    """A project of a newer minor version than the installed one may use what is not there."""
    path = spaceport / "pyproject.toml"
    import kedro  # noqa: PLC0415

    major = kedro.__version__.split(".")[0]
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join(
            f'kedro_init_version = "{major}.999.0"' if "kedro_init_version" in line else line
            for line in lines
        )
    )

    found = check(spaceport)[1]
    # Older ones, 1.0 among them, refuse another minor version by themselves.
    told = found.get("kedro-version") or found["project"]
    assert f"{major}.999.0" in told["message"]


def test_a_project_that_cannot_be_loaded(spaceport, check):
    """Even then the report is JSON with one finding, and the exit code is 1."""
    (spaceport / "src/spaceport/pipelines/reporting.py").write_text("import nothing_of_that_name\n")

    code, found = check(spaceport)

    assert (1, ["project"]) == (code, list(found))
    assert "nothing_of_that_name" in found["project"]["message"]


def test_under_kedros_command_line(spaceport, kedro, run_command):
    """`kedro pipes check` keeps the exit code."""
    assert 1 == run_command([kedro, "pipes", "check", "--strict"], spaceport).returncode
    assert 0 == run_command([kedro, "pipes", "check"], spaceport).returncode
