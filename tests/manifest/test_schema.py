from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest
from kedro_manifest.model import Manifest

REPOSITORY = Path(__file__).parents[2]
SCHEMA = REPOSITORY / "docs/reference/manifest.schema.json"
FIXTURES = sorted((REPOSITORY / "tests/manifest/fixtures").glob("*.json"))


def test_published_schema_is_current():
    """The documentation publishes the schema of the code as it is."""
    assert json.loads(SCHEMA.read_bytes()) == msgspec.json.schema(Manifest), (
        "docs/reference/manifest.schema.json is stale: "
        "run `.venv/dagster/bin/python tools/write_schemas.py`"
    )


@pytest.mark.parametrize("file", FIXTURES, ids=lambda path: path.stem)
def test_real_manifests_follow_the_schema(file):
    """What the exporter writes is valid for anyone who reads it with the schema alone."""
    schema = json.loads(SCHEMA.read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)

    jsonschema.Draft202012Validator(schema).validate(json.loads(file.read_bytes()))


def test_schema_refuses_what_is_no_manifest():
    """The schema is not so wide that everything passes."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"project": {"name": 3}}, json.loads(SCHEMA.read_bytes()))
