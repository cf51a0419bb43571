"""`kedro pipes doctor`: what it looks at, and what it says where something does not fit."""

from __future__ import annotations

import json
import shutil
import sys

import msgspec
import pytest
from kedro_manifest.installed import installed_here

DOCTOR = [sys.executable, "-m", "kedro_pipes", "doctor"]
NOBODY = "127.0.0.1:1"
"""Where no server is."""
HERE = installed_here()
ORCHESTRATOR = msgspec.structs.replace(
    HERE, executable="python", packages={"dagster": "1.13.0", "dagster-pipes": "1.13.0"}
)


@pytest.fixture
def other_side(tmp_path):
    """Make an interpreter that has something else installed, as far as one who asks can tell."""

    def make(installed):
        python = tmp_path / "python"
        said = msgspec.json.encode(installed).decode()
        python.write_text(f"#!/bin/sh\necho 'a notice of the environment'\necho '{said}'\n")
        python.chmod(0o755)
        return python

    return make


@pytest.fixture
def examine(run_command, other_side, try_export):
    """Export a project and examine it; return exit code, what was seen, and findings by code."""

    def run(folder, *options, installed=ORCHESTRATOR, export=True, **environment):
        if export:
            assert 0 == try_export(folder).returncode
        command = [*DOCTOR, "--json", "--dagster-python", other_side(installed), *options]
        result = run_command(command, folder, **environment)
        assert result.stdout, result.stderr
        report = json.loads(result.stdout)
        seen = {each["part"]: each["found"] for each in report["seen"]}
        return result.returncode, seen, {each["code"]: each for each in report["findings"]}

    return run


def write(project, text):
    (project / "conf/base/dagster.yml").write_text(text)


def test_all_is_well(spaceport, examine):
    """Both sides are told with their versions, and the manifest with its age."""
    code, seen, found = examine(spaceport)

    assert (0, {}) == (code, found)
    assert f"kedro {HERE.packages['kedro']}, dagster-pipes " in seen["worker"]
    assert "dagster 1.13.0, kedro-dagster-pipes" in seen["orchestrator"]
    assert seen["manifest"].endswith("what the project is")


def test_table(spaceport, run_command, other_side, try_export):
    """People get what was looked at, and the findings as `check` shows them."""
    try_export(spaceport)
    result = run_command([*DOCTOR, "--dagster-python", other_side(ORCHESTRATOR)], spaceport)
    lines = result.stdout.splitlines()

    assert ["LOOKED", "AT", "FOUND"] == lines[0].split()
    assert ["", "Nothing found."] == lines[-2:]


def test_nobody_knows_where_dagster_is(spaceport, run_command, try_export):
    """That is a doubt, told with the way out, and no error but for `--strict`."""
    try_export(spaceport)
    path = {"PATH": "/usr/bin:/bin", "DAGSTER_PYTHON": ""}
    result = run_command([*DOCTOR, "--json"], spaceport, **path)
    (finding,) = json.loads(result.stdout)["findings"]

    assert (0, "warning", "orchestrator") == (
        result.returncode,
        finding["severity"],
        finding["code"],
    )
    assert "`--dagster-python PATH`, or in the variable DAGSTER_PYTHON" in finding["cure"]
    assert 1 == run_command([*DOCTOR, "--strict"], spaceport, **path).returncode


def test_the_dagster_command_on_the_path(spaceport, run_command, other_side, try_export):
    """Its interpreter is asked, through the link that pipx makes."""
    try_export(spaceport)
    python = other_side(ORCHESTRATOR)
    command = python.with_name("dagster")
    command.touch(mode=0o755)
    links = python.parent / "links"
    links.mkdir()
    (links / "dagster").symlink_to(command)
    path = {"PATH": f"{links}:/usr/bin:/bin", "DAGSTER_PYTHON": ""}
    report = json.loads(run_command([*DOCTOR, "--json"], spaceport, **path).stdout)

    assert [] == report["findings"]


@pytest.mark.parametrize(
    ("changes", "severity", "words"),
    [
        ({"manifest_format": "2.0", "version": "3.0"}, "error", "manifest format 2.0"),
        ({"protocol": "2.1", "version": "3.0"}, "error", "protocol 2.1"),
        ({"manifest_format": "1.7", "version": "9.9"}, "warning", "kedro-dagster-pipes 9.9"),
    ],
)
def test_skew(spaceport, examine, changes, severity, words):
    """Another major version is an error, another version of the package a doubt."""
    other = msgspec.structs.replace(ORCHESTRATOR, **changes)
    _, _, found = examine(spaceport, installed=other)

    assert ["skew"] == list(found)
    assert (severity, True) == (found["skew"]["severity"], words in found["skew"]["message"])


def test_frameworks_that_meet(spaceport, examine):
    """Kedro beside Dagster is a doubt; no Dagster on its own side is an error."""
    packages = {"kedro": "1.0.0"}
    other = msgspec.structs.replace(ORCHESTRATOR, packages=packages)
    code, _, found = examine(spaceport, installed=other)

    assert (1, {"not-apart", "orchestrator"}) == (code, found.keys())
    assert "Dagster is not installed there." == found["orchestrator"]["message"]
    assert "Kedro 1.0.0 is installed there" in found["not-apart"]["message"]


def test_an_interpreter_that_has_nothing_of_ours(spaceport, run_command, tmp_path):
    """Its own words, and what to install."""
    for python, words in (
        (shutil.which("false"), "."),
        (tmp_path, "denied"),
        ("no/such", "no/such"),
    ):
        command = [*DOCTOR, "--json", "--dagster-python", python]
        findings = json.loads(run_command(command, spaceport).stdout)["findings"]
        (finding,) = (each for each in findings if each["code"] == "orchestrator")
        assert finding["severity"] == "error"
        assert words in finding["message"]


def test_no_manifest(spaceport, examine):
    """It is said where it was looked for, and how to make it."""
    code, seen, found = examine(spaceport, "--manifest", "build/m.json", export=False)

    assert (1, ["manifest"]) == (code, list(found))
    assert "build/m.json: not there" == seen["manifest"]
    assert "kedro pipes export" in found["manifest"]["cure"]


def test_drift(spaceport, examine, try_export):
    """What workers would refuse is an error; other changes are doubts, by where they are."""
    try_export(spaceport)
    catalog = spaceport / "conf/base/catalog.yml"
    catalog.write_text(catalog.read_text().replace("companies.csv", "firms.csv"))
    code, _, found = examine(spaceport, export=False)
    assert (0, ["drift"]) == (code, list(found))
    assert found["drift"]["message"].endswith(": datasets.")

    manifest = json.loads((spaceport / "manifest.json").read_text())
    manifest["nodes"][0]["outputs"] = ["another"]
    (spaceport / "manifest.json").write_text(json.dumps(manifest))
    code, seen, found = examine(spaceport, export=False)
    assert (1, "error") == (code, found["drift"]["severity"])
    assert "were ['another'] and are" in found["drift"]["message"]
    assert seen["manifest"].endswith("no longer what the project is")


def test_drift_that_workers_judge(spaceport, examine, try_export):
    """Another major version of Kedro is refused by them too, and nothing with `on_drift: warn`."""
    for on_drift, expected in (("refuse", (1, "error")), ("warn", (0, "warning"))):
        write(spaceport, f"on_drift: {on_drift}\n")
        try_export(spaceport)
        manifest = json.loads((spaceport / "manifest.json").read_text())
        manifest["project"]["kedro_version"] = "9.0.0"
        (spaceport / "manifest.json").write_text(json.dumps(manifest))
        code, _, found = examine(spaceport, export=False)

        assert expected == (code, found["drift"]["severity"])
        assert "it was exported with Kedro 9.0.0" in found["drift"]["message"]
        assert (on_drift == "refuse") is ("workers will refuse" in found["drift"]["message"])


def test_a_project_that_cannot_be_loaded(spaceport, examine, try_export):
    """The rest is looked at all the same."""
    try_export(spaceport)
    (spaceport / "src/spaceport/pipelines/reporting.py").write_text("import not_here\n")
    code, seen, found = examine(spaceport, export=False)

    assert (1, ["project"]) == (code, list(found))
    assert "cannot be loaded" == seen["project"]
    assert "dagster 1.13.0" in seen["orchestrator"]


CLIENTS = {
    "docker": f"{{type: docker, image: i, engine_url: 'tcp://{NOBODY}'}}",
    "kubectl": "{type: k8s, image: i, kubeconfig: no-such-file}",
    "ssh": "{type: ssh, hosts: ['ssh://nobody@127.0.0.1:1'], connect_timeout_s: 2}",
}


@pytest.mark.parametrize("program", CLIENTS)
def test_places_that_do_not_answer(spaceport, examine, program):
    """The client is named, with the program's own words; without the program it is a doubt."""
    write(spaceport, f"clients:\n  far: {CLIENTS[program]}\n")
    packages = {**ORCHESTRATOR.packages, "docker": "7", "kubernetes": "30"}
    other = msgspec.structs.replace(ORCHESTRATOR, packages=packages)
    code, _, found = examine(spaceport, installed=other)
    there = bool(shutil.which(program))

    assert "dagster.yml: clients.far" == found["client"]["place"]
    assert (there, "error" if there else "warning") == (bool(code), found["client"]["severity"])
    assert "engine-url" not in found["client"]["cure"]


@pytest.mark.parametrize(
    ("text", "entry", "package"),
    [
        ("clients: {a: {type: docker, image: i}}", "clients.a", "docker"),
        ("executors: {pods: {k8s_job: {}}}\nexecutor: pods", "executors.pods", "dagster-k8s"),
        ("executor: dask_executor", "executor", "dagster-dask"),
        ("jobs: {j: {executor: {celery: {}}}}", "jobs.j.executor", "dagster-celery"),
    ],
)
def test_extras(spaceport, examine, text, entry, package):
    """Clients and executors need packages beside Dagster, which extras bring."""
    write(spaceport, f"{text}\n")
    code, _, found = examine(spaceport)

    assert 1 == code
    assert f"`{entry}` of dagster.yml needs the package `{package}`" in found["extra"]["message"]


def test_store(spaceport, examine):
    """Where data is staged is looked at if somebody has chosen it."""
    write(spaceport, "store: {url: pyproject.toml}\n")
    code, seen, found = examine(spaceport)

    assert (1, ["store"]) == (code, list(found))
    assert "pyproject.toml: not usable" == seen["store"]


def test_wrong_entries(spaceport, examine, try_export):
    """A dagster.yml that says nothing is no reason to stay silent of the rest."""
    try_export(spaceport)
    write(spaceport, "stor: {}\n")
    code, seen, found = examine(spaceport, export=False)

    assert (1, {"dagster-yml", "drift"}) == (code, found.keys())
    assert "manifest" in seen
