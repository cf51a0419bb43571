"""The JSON Schema of `dagster.yml`: current, with texts, and as wide as the types."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from kedro_manifest.orchestration.docstrings import describe_fields, describe_struct
from kedro_manifest.orchestration.root import Orchestration
from kedro_manifest.orchestration.schema import dagster_yml_schema, structs_of
from kedro_manifest.orchestration.shapes import keys_of

REPOSITORY = Path(__file__).parents[2]
PUBLISHED = REPOSITORY / "docs/reference/dagster.schema.json"
FILES = [
    *sorted((REPOSITORY / "tests/manifest/fixtures/kedro_dagster").glob("*.yml")),
    *sorted((REPOSITORY / "tests/projects").glob("*/conf/*/dagster.yml")),
]


def test_published_schema_is_current():
    """The documentation publishes the schema of the types as they are."""
    assert json.loads(PUBLISHED.read_bytes()) == dagster_yml_schema(), (
        f"{PUBLISHED} is stale: run `make reference`"
    )


def test_schema_is_a_schema():
    """Editors take it for what it says it is."""
    jsonschema.Draft202012Validator.check_schema(dagster_yml_schema())


@pytest.mark.parametrize("file", FILES, ids=lambda file: "-".join(file.parts[-4:]))
def test_real_files_pass(file):
    """Files of projects, interpolation and variables in them, and those of kedro-dagster."""
    jsonschema.validate(yaml.safe_load(file.read_text()), dagster_yml_schema())


@pytest.mark.parametrize(
    "text",
    [
        "jobs:\nschedules:\n",
        "jobs: {a: {pipeline: {tags: }, max_concurrent: '${globals:workers}'}}",
        "grouping: ${_grouping}\n_grouping: {strategy: tag}",
        "concurrency: {tags: {gpu: '${globals:gpus}'}}",
        "memory_datasets: {a: '${globals:memory}'}",
    ],
)
def test_empty_entries_and_interpolation_pass(text):
    """An editor sees the file before the config loader does."""
    jsonschema.validate(yaml.safe_load(text), dagster_yml_schema())


def test_keys_have_their_texts():
    """An editor shows what a key is for, with a struct's inherited keys as well."""
    entries = dagster_yml_schema()["$defs"]

    pipeline = entries["Job"]["properties"]["pipeline"]["description"]
    assert pipeline.startswith("A registered pipeline, or the filters of `kedro run`.")
    start = entries["DailyPartitions"]["properties"]["start"]["description"]
    assert "First key, written as `key_format` says." == start
    assert entries["Job"]["description"].startswith("`jobs.<name>:` ")


def test_every_key_has_a_text():
    """No row of the reference page is without one, and no key in an editor."""
    silent = [
        f"{struct.__name__}.{key}"
        for struct in structs_of(Orchestration)
        for key in keys_of(struct)
        if not describe_fields(struct).get(key)
    ]
    unnamed = [each.__name__ for each in structs_of(Orchestration) if not describe_struct(each)]

    assert ([], []) == (silent, unnamed)


def test_reference_page_is_current():
    """The page in docs/reference lists the keys of the types as they are."""
    command = [sys.executable, REPOSITORY / "tools/write_reference.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stdout + done.stderr
