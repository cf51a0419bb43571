"""No secret ever gets into a manifest, however people write it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from kedro_pipes.project.redaction import (
    REDACTED,
    SecretScrubber,
    is_secret_key,
    public_json,
    redact_text,
    redact_uri,
    string_leaves,
)


def secrets_in(folder: Path) -> set[str]:
    text = "".join(file.read_text() for file in folder.rglob("*.yml"))
    return set(re.findall(r"[a-z-]+-(?:secret|key|signature)-1", text))


def test_the_project_holds_a_secret_of_each_kind(spaceport):
    """The test below proves nothing unless the project has them all."""
    assert {
        "connection-secret-1",
        "environment-secret-1",
        "fs-args-secret-1",
        "inline-credential-key-1",
        "inline-credential-secret-1",
        "load-args-secret-1",
        "metadata-secret-1",
        "metadata-url-secret-1",
        "named-credential-key-1",
        "named-credential-secret-1",
        "nested-fs-args-secret-1",
        "orchestration-secret-1",
        "parameter-secret-1",
        "save-args-secret-1",
        "url-secret-1",
        "url-signature-1",
    } == secrets_in(spaceport)


def test_no_secret_gets_into_the_manifest(spaceport, try_export):
    """Neither from credentials, inline or by name, nor URLs, arguments, metadata, parameters."""
    result = try_export(spaceport, "--env", "cloud", "-o", "m.json")

    assert result.returncode == 0, result.stderr
    for place in ((spaceport / "m.json").read_text(), result.stdout, result.stderr):
        assert not [secret for secret in secrets_in(spaceport) if secret in place]


def test_no_secret_of_the_environment_gets_into_the_manifest(spaceport, try_export):
    """Neither through `oc.env` in credentials, nor through a resolver in the catalog."""
    credentials = {"SPACEPORT_TOKEN": "variable-credential"}
    in_path = {"SPACEPORT_PATH_TOKEN": "variable-in-path"}
    metadata = spaceport / "conf/cloud/catalog.yml"
    metadata.write_text(metadata.read_text().replace("environment-secret-1", "variable-credential"))

    result = try_export(spaceport, "--env", "cloud", "-o", "m.json", **credentials, **in_path)

    assert result.returncode == 0, result.stderr
    text = (spaceport / "m.json").read_text()
    assert "variable-credential" not in text
    assert "variable-in-path" not in text
    assert "ask for <redacted>" in text
    assert "https://data.example.com/<redacted>/shuttles.csv" in text


def test_the_working_directory_is_no_secret(spaceport, export):
    """Every shell sets `PWD` and `OLDPWD`; absolute paths of the project are kept all the same."""
    (spaceport / "conf/base/globals.yml").write_text(f"data_dir: {spaceport}/data\nworkers: 2\n")
    manifest = export(spaceport, PWD=str(spaceport), OLDPWD=str(spaceport.parent))
    companies = next(each for each in manifest["datasets"] if each["name"] == "companies")

    assert f"{spaceport}/data/01_raw/companies.csv" == companies["uri"]


def test_names_of_credentials_are_kept(spaceport, export):
    """The name of an entry is no secret and helps; inline credentials have none."""
    manifest = export(spaceport, "--env", "cloud")
    found = {each["name"]: each["credentials"] for each in manifest["datasets"]}

    assert ("warehouse", "from_environment", None) == (
        found["companies"],
        found["shuttles_by_origin"],
        found["shuttles"],
    )


def test_a_resolved_credential_is_found_where_nobody_looks(spaceport, export):
    """What the credentials resolve to is replaced in documentation, metadata and values."""
    variables = {"SPACEPORT_TOKEN": "correct-horse"}
    module = spaceport / "src/spaceport/pipelines/ingestion.py"
    module.write_text(module.read_text().replace("Keep the shuttles", "correct-horse: keep"))
    parameters = spaceport / "conf/base/parameters.yml"
    parameters.write_text(parameters.read_text() + "\nhint: [the word is correct-horse!]\n")

    text = json.dumps(export(spaceport, "--env", "cloud", **variables))

    assert "correct-horse" not in text
    assert "the word is <redacted>!" in text


def test_a_user_name_that_is_also_a_node_stays(spaceport, export):
    """Replacing what is a name in the project would break references and protect nothing."""
    (spaceport / "conf/local/credentials.yml").write_text(
        "db: {user: spaceport, password: secret-7}"
    )
    orchestration = spaceport / "conf/base/dagster.yml"
    orchestration.write_text("jobs: {all: {description: spaceport has secret-7}}\n")
    found = export(spaceport)["orchestration"]

    assert {"jobs": {"all": {"description": "spaceport has <redacted>"}}} == found


def test_secrets_that_dagster_needs_are_named(spaceport, try_export):
    """`{env: NAME}` stays in `dagster.yml`; a secret itself is left out, and the user is told."""
    (spaceport / "conf/base/dagster.yml").write_text(
        "observation: {storage_options: {key: k, secret: {env: SPACE_SECRET}, token: tok-77}}\n"
    )
    result = try_export(spaceport, "-o", "m.json")

    exported = json.loads((spaceport / "m.json").read_text())["orchestration"]
    options = {"key": "k", "secret": {"env": "SPACE_SECRET"}}
    assert {"observation": {"storage_options": options}} == exported
    assert "dagster.yml: observation.storage_options.token" in " ".join(result.stderr.split())
    assert "tok-77" not in result.stderr


@pytest.mark.parametrize(
    ("uri", "public"),
    [
        ("data/01_raw/x.csv", "data/01_raw/x.csv"),
        ("data/what?/x#1.csv", "data/what?/x#1.csv"),
        ("s3://bucket/a@v1/x.csv", "s3://bucket/a@v1/x.csv"),
        ("s3://key:se/cr?et@bucket/x", "s3://bucket/x"),
        ("s3://key:secret@bucket/x", "s3://bucket/x"),
        ("https://u:p@host:8080/x?sig=1#f", "https://host:8080/x"),
        ("https://token@host/x", "https://host/x"),
        ("hdfs://namenode:8020/a@b", "hdfs://namenode:8020/a@b"),
        (
            "abfss://box@account.dfs.core.windows.net/x",
            "abfss://box@account.dfs.core.windows.net/x",
        ),
        ("abfss://u:p@account/x", "abfss://account/x"),
        ("simplecache::https://u:p@host/x?t=1", "simplecache::https://host/x"),
        ("zip://a.csv::s3://k:s@bucket/a.zip", "zip://a.csv::s3://bucket/a.zip"),
        ("C:/data/x.csv", "C:/data/x.csv"),
        ("https://u:p@ss@host/x", "https://host/x"),
    ],
)
def test_uris_are_redacted(uri, public):
    """Locations lose user, password, query and fragment; paths stay as they are."""
    assert public == redact_uri(uri)


@pytest.mark.parametrize(
    ("key", "value", "secret"),
    [
        ("password", "x", True),
        ("db_password", 1234, True),
        ("apiKey", "x", True),
        ("API_KEY", "x", True),
        ("aws_secret_access_key", "x", True),
        ("token", "x", True),
        ("max_tokens", 512, False),
        ("tokenizer", "x", False),
        ("credentials", {}, True),
        ("client_secret", "x", True),
        ("private-key", "x", True),
        ("key", "x", False),
        ("primary_key", "id", False),
        ("keyword", "x", False),
        ("passenger", "x", False),
    ],
)
def test_secret_looking_keys(key, value, secret):
    """Keys are judged by their words, so that a tokenizer is not a token."""
    assert secret == is_secret_key(key, value)


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("see https://host/x?page=2", "see https://host/x?page=2"),
        ("postgresql://u:p@h/db", "postgresql://<redacted>@h/db"),
        ("Server=h;Password=p;Port=1", "Server=h;Password=<redacted>;Port=1"),
        ("https://h/x?X-Amz-Signature=1", "https://h/x?<redacted>"),
        ("a = b", "a = b"),
    ],
)
def test_text_is_redacted(text, public):
    """Free text keeps its links and loses the passwords in them."""
    assert public == redact_text(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(json_values)
def test_public_json_is_json(value):
    """Whatever YAML or a hook put there, what comes out is JSON and survives a second pass."""
    public = public_json(value)

    assert public == json.loads(json.dumps(public, allow_nan=False))
    assert public == public_json(public)


@given(st.text(min_size=6, max_size=12), st.text(max_size=5), st.text(max_size=5))
def test_a_known_secret_never_survives(secret, before, after):
    """A known secret is replaced wherever it stands."""
    assume(secret not in REDACTED)
    scrubber = SecretScrubber([("password", secret)], [])

    assert f"{before}{secret}{after}" != scrubber.text(f"{before}{secret}{after}")


def test_passwords_in_connection_strings_are_secrets_of_their_own():
    """A connection's password may reappear without its URL."""
    leaves = set(string_leaves({"db": {"con": "postgresql://u:pass-word@h/x"}}))

    assert ("password", "pass-word") in leaves
