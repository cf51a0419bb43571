"""`dagster.yml` at export: what is wrong is refused with its line, what is secret is told."""

from __future__ import annotations

import json
import sys

import pytest
import yaml
from kedro_pipes.project.orchestration_file import find_ineffective, make_public

CHECK = [sys.executable, "-m", "kedro_pipes", "check"]


def write(project, file: str, text: str) -> None:
    (project / file).parent.mkdir(exist_ok=True)
    (project / file).write_text(text)


def test_a_wrong_key_is_refused_with_file_and_line(spaceport, try_export):
    """Nothing is written, and the one line says where to look and what was meant."""
    write(spaceport, "conf/base/dagster.yml", "jobs:\n  a: {}\n  b:\n    pipelin: training\n")

    result = try_export(spaceport)

    assert result.returncode == 1
    assert (
        "Cannot use conf/base/dagster.yml:4: jobs.b.pipelin: there is no such key. Did you mean "
        "'pipeline'? Mend the entry, and export again." == result.stderr.splitlines()[-1]
    )
    assert "Traceback" not in result.stderr
    assert not (spaceport / "manifest.json").exists()


def test_a_wrong_key_at_the_margin_has_its_line(spaceport, try_export):
    """Of several files the one is named that has it."""
    write(spaceport, "conf/base/dagster.yml", "timeout_s: 5\n")
    write(spaceport, "conf/cloud/dagster.yml", "# Where\nstor: {}\n")

    result = try_export(spaceport, "--env", "cloud")

    assert (
        "Cannot use conf/cloud/dagster.yml:2: stor: there is no such key. Did you mean 'store'"
        in result.stderr.splitlines()[-1]
    )


def test_the_file_of_the_environment_is_named(spaceport, try_export):
    """Of two files that have an entry, the one counts that Kedro lets count."""
    write(spaceport, "conf/base/dagster.yml", "timeout_s: 5\n")
    write(spaceport, "conf/cloud/dagster.yml", "store: {}\n\ntimeout_s: 5m\n")

    result = try_export(spaceport, "--env", "cloud")

    assert "Cannot use conf/cloud/dagster.yml:3: timeout_s: " in result.stderr.splitlines()[-1]


def test_one_of_several_files_is_named(spaceport, try_export):
    """The loader takes every file that begins with `dagster`, in folders as well."""
    write(spaceport, "conf/base/dagster/jobs.yml", "jobs: {a.b: {tags: {x: 1}}}\n")

    result = try_export(spaceport)

    assert "conf/base/dagster/jobs.yml:1: jobs.a.b.tags.x: exp" in result.stderr.splitlines()[-1]


def test_check_names_the_line_and_goes_on(spaceport, run_command):
    """The same error is a finding beside others."""
    write(spaceport, "conf/base/dagster.yml", "jobs:\n  a:\n    pipelin: training\n")
    catalog = spaceport / "conf/base/catalog.yml"
    catalog.write_text(catalog.read_text().replace("companies.csv", "x.csv\n  credentials: none"))

    found = json.loads(run_command([*CHECK, "--json"], spaceport).stdout)["findings"]

    assert ["dagster-yml", "missing-credentials"] == [each["code"] for each in found]
    assert "conf/base/dagster.yml:3: jobs.a.pipelin" == found[0]["place"]


def test_words_that_yaml_takes_for_truth_values(spaceport, export):
    """`on` is a key of `retries`; YAML 1.1 reads it as true."""
    write(spaceport, "conf/base/dagster.yml", "retries:\n  on: [node]\n")

    assert {"retries": {"on": ["node"]}} == export(spaceport)["orchestration"]


def test_numbers_as_names_and_dates(spaceport, export):
    """Jobs may be called by a number, and a date is a date without quotes."""
    text = "jobs: {2024: {}}\npartitions: {days: {type: daily, start: 2024-01-31}}\n"
    write(spaceport, "conf/base/dagster.yml", text)
    found = export(spaceport)["orchestration"]

    assert ({"2024": {}}, "2024-01-31") == (found["jobs"], found["partitions"]["days"]["start"])


def test_old_options_of_kedro_dagster_are_told(spaceport, try_export, run_command):
    """Its `dev` has no effect, which nobody should have to find out."""
    write(spaceport, "conf/base/dagster.yml", 'dev: {port: "3000"}\n')

    exported = try_export(spaceport)
    checked = json.loads(run_command([*CHECK, "--json"], spaceport).stdout)["findings"]

    assert exported.returncode == 0
    assert "Warning: dagster.yml: dev has no effect" in exported.stderr
    assert "no-effect" in [each["code"] for each in checked]


SECRETIVE = """
jobs:
  refresh_tokens: {parameters: {api_key: correct-horse, depth: 3}}
clients:
  default: {type: subprocess, env: {API_TOKEN: correct-horse, THREADS: "4"}}
sensors:
  arrivals:
    type: files
    job: refresh_tokens
    uri: https://me:correct-horse@host/x
    storage_options: {secret: correct-horse, key: {env: KEY}, password: {env: STORE_PASSWORD}}
memory_datasets: {access_tokens: stage}
"""


def test_what_looks_like_a_secret_is_told(spaceport, try_export):
    """An entry that is left out is named with a way to have it, and never with its value."""
    write(spaceport, "conf/base/dagster.yml", SECRETIVE)

    result = try_export(spaceport)
    warnings = [line for line in result.stderr.splitlines() if "is not exported" in line]

    assert result.returncode == 0, result.stderr
    assert "correct-horse" not in result.stderr + (spaceport / "manifest.json").read_text()
    assert 4 == len(warnings)
    for place, cure in (
        ("jobs.refresh_tokens.parameters.api_key", "from its credentials"),
        ("clients.default.env.API_TOKEN", "`pass_env: [API_TOKEN]`"),
        ("sensors.arrivals.storage_options.secret", "`{env: NAME}`"),
        ("sensors.arrivals.uri", "`{env: NAME}`"),
    ):
        assert [line for line in warnings if f"dagster.yml: {place} " in line and cure in line]


def test_names_and_references_are_no_secrets(spaceport, export):
    """A job or dataset may be called after tokens, and `{env: NAME}` says where a secret is."""
    write(spaceport, "conf/base/dagster.yml", SECRETIVE)
    found = export(spaceport)["orchestration"]

    assert {"depth": 3} == found["jobs"]["refresh_tokens"]["parameters"]
    assert {"access_tokens": "stage"} == found["memory_datasets"]
    assert {"key": {"env": "KEY"}, "password": {"env": "STORE_PASSWORD"}} == (
        found["sensors"]["arrivals"]["storage_options"]
    )


def test_a_secret_where_a_room_should_be_is_refused(spaceport, try_export):
    """It is no key of the file; the error does not show it."""
    write(spaceport, "conf/base/dagster.yml", "password: correct-horse\n")

    result = try_export(spaceport)

    assert (
        "Cannot use conf/base/dagster.yml:1: password: there is no such key."
        in result.stderr.splitlines()[-1]
    )
    assert "correct-horse" not in result.stderr


@pytest.mark.parametrize(
    "text",
    [
        "store: {credentials: {user: correct-horse}}",
        "memory_datasets: {x: {password: correct-horse}}",
        "dev: {password: correct-horse}",
        "executors: {a: {docker: {registry: {password: {env: correct-horse}}}}}",
    ],
)
def test_secrets_in_other_places_are_left_out(text):
    """Only names of the user's own are no secret-looking keys, and only variables references."""
    written = yaml.safe_load(text)
    public = make_public(written)

    assert "correct-horse" not in json.dumps(public)
    assert [each.reason for each in find_ineffective(written, public)][-1:] == [
        "looks like a secret and is not exported"
    ]


def test_what_does_not_fit_the_project_is_told_with_file_and_line(spaceport, try_export):
    """A name that is not there is no wrong file, so there is a manifest; Dagster will refuse it."""
    write(
        spaceport,
        "conf/base/dagster.yml",
        "jobs:\n  a:\n    schedule: nigthly\nschedules:\n  nightly: {cron_schedule: '@daily'}\n",
    )

    result = try_export(spaceport)

    assert 0 == result.returncode
    assert (
        "Warning: conf/base/dagster.yml:3: jobs.a.schedule: There is no schedule 'nigthly'. Did you "
        "mean 'nightly'?" in result.stderr.splitlines()
    )
