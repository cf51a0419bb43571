from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from kedro_manifest.codec import (
    content_hash,
    decode_manifest,
    encode_manifest,
    read_manifest,
    write_manifest,
)
from kedro_manifest.errors import ManifestReadError, ManifestVersionError
from kedro_manifest.model import (
    FORMAT_VERSION,
    Dataset,
    Manifest,
    Node,
    Parameter,
    Pipeline,
    Project,
)

FIXTURES = Path(__file__).parent / "fixtures"


def make_manifest(**changes) -> Manifest:
    manifest = Manifest(
        project=Project(
            name="Spaceport", package_name="spaceport", kedro_version="1.7.0", python_version="3.11"
        ),
        pipelines=[Pipeline(name="__default__", nodes=["fit"])],
        nodes=[Node(name="fit", function="spaceport.nodes:fit", inputs=["x@a"], outputs=["m"])],
        datasets=[Dataset(name="m", type="pickle.PickleDataset", kind="file", uri="m.pickle")],
        parameters=[Parameter(name="a.b", type="array", value=[1, {"ü": None}])],
        orchestration={"schedules": {"nightly": {"cron_schedule": "0 3 * * *"}}},
    )
    return msgspec.structs.replace(manifest, **changes)


def encoded_with(**changes) -> bytes:
    """Canonical bytes with raw values replaced at the top level."""
    return json.dumps({**json.loads(encode_manifest(make_manifest())), **changes}).encode()


def test_round_trip_keeps_everything():
    """What is written is read back equal, with the hash filled in."""
    manifest = make_manifest()

    decoded = decode_manifest(encode_manifest(manifest))

    assert msgspec.structs.replace(manifest, content_hash=content_hash(manifest)) == decoded


def test_bytes_are_canonical():
    """Encoding what was decoded gives the same bytes: sorted, indented, one final newline."""
    data = encode_manifest(make_manifest())

    assert data == encode_manifest(decode_manifest(data))
    assert list(json.loads(data)) == sorted(json.loads(data))
    assert data.endswith(b"}\n")


def test_order_of_keys_does_not_change_the_bytes():
    """Mappings that are equal give equal bytes, in whatever order they were filled."""
    left = make_manifest(orchestration={"a": {"x": 1, "y": 2}, "b": 3})
    right = make_manifest(orchestration={"b": 3, "a": {"y": 2, "x": 1}})

    assert encode_manifest(left) == encode_manifest(right)


def test_hash_covers_the_content_and_not_itself():
    """The hash changes with any content, and is the same before and after it is filled in."""
    manifest = make_manifest()
    signed = decode_manifest(encode_manifest(manifest))

    assert content_hash(manifest) == signed.content_hash == content_hash(signed)
    assert content_hash(manifest) != content_hash(make_manifest(parameter_values=False))


def test_file_round_trip_leaves_no_partial_file(tmp_path):
    """Writing goes through another name, so that a reader never meets half a file."""
    path = tmp_path / "build" / "manifest.json"

    write_manifest(make_manifest(), path)

    assert make_manifest().nodes == read_manifest(path).nodes
    assert [path] == list(path.parent.iterdir())


@pytest.mark.parametrize("file", sorted(FIXTURES.glob("*.json")), ids=lambda path: path.stem)
def test_manifests_of_every_format_are_still_read(file):
    """A manifest that some version wrote stays readable for the whole major format."""
    manifest = read_manifest(file)

    assert manifest.nodes
    assert manifest.datasets


def test_missing_file_says_how_to_make_it(tmp_path):
    """A path without a file is an error that names the command."""
    with pytest.raises(ManifestReadError, match=r"No such file.*kedro pipes export"):
        read_manifest(tmp_path / "manifest.json")


@pytest.mark.parametrize("version", ["2.0", "0.9", "17.3"])
def test_another_major_format_is_refused_before_the_body_is_read(version):
    """Version first: the body of another major format is not even looked at."""
    data = json.dumps({"format_version": version, "generator": "future 9", "nodes": 7}).encode()

    with pytest.raises(ManifestVersionError, match=rf"future 9.*expected format 1\.x.*{version}"):
        decode_manifest(data)


def test_newer_minor_format_may_hold_unknown_fields():
    """A newer minor version adds fields with defaults, which an older reader can do without."""
    major = FORMAT_VERSION.partition(".")[0]
    data = encoded_with(format_version=f"{major}.99", new_field={"deep": 1})

    assert make_manifest().nodes == decode_manifest(data).nodes


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((), r"\$\.surprise"),
        (("project",), r"\$\.project\.surprise"),
        (("nodes", 0), r"\$\.nodes\[0\]\.surprise"),
    ],
)
def test_unknown_field_in_our_own_format_is_refused_with_its_path(path, expected):
    """In a format that we know, a field we do not know is a typing error or a foreign file."""
    raw = json.loads(encode_manifest(make_manifest()))
    place = raw
    for key in path:
        place = place[key]
    place["surprise"] = 1

    with pytest.raises(ManifestReadError, match=rf"unknown field `{expected}`"):
        decode_manifest(json.dumps(raw).encode(), origin="manifest.json")


def test_unknown_keys_in_free_form_data_are_no_unknown_fields():
    """`dagster.yml`, metadata and values are the project's own: any key may stand there."""
    manifest = make_manifest(orchestration={"surprise": {"deep": [{"er": 1}]}})

    assert manifest.orchestration == decode_manifest(encode_manifest(manifest)).orchestration


@pytest.mark.parametrize("length", [0, 1, 100, -3])
def test_truncated_file_is_refused(length):
    """A file that was cut off anywhere is an error that says so, and how to get a whole one."""
    data = encode_manifest(make_manifest())[:length]

    with pytest.raises(ManifestReadError, match=r"cut off.*Export it again"):
        decode_manifest(data, origin="manifest.json")


@pytest.mark.parametrize(
    "data", [b"[]", b"7", b'{"name": "spaceport"}', b'{"format_version": 1}', b"\xff\xfe\x00"]
)
def test_foreign_file_is_refused(data):
    """JSON that is no manifest, and what is no JSON, is refused with the file's name."""
    with pytest.raises(ManifestReadError, match=r"'other\.json'.*Export it again"):
        decode_manifest(data, origin="other.json")


@pytest.mark.parametrize("version", ["one", "1", "1.x", ""])
def test_format_version_has_to_be_two_numbers(version):
    """A version that cannot be compared is refused, with the field's path."""
    with pytest.raises(ManifestReadError, match=r"`major\.minor` at `\$\.format_version`"):
        decode_manifest(encoded_with(format_version=version))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"nodes": [{"name": 3, "function": "m:f"}]}, r"Expected `str`.*`\$\.nodes\[0\]\.name`"),
        ({"datasets": [{"name": "x", "type": "T", "kind": "cloud"}]}, r"\$\.datasets\[0\]\.kind"),
        ({"project": {"name": "x"}}, r"missing required field.*\$\.project"),
    ],
)
def test_wrong_type_is_refused_with_its_path(changes, expected):
    """A value of the wrong type is named by its path, with the file and who wrote it."""
    with pytest.raises(ManifestReadError, match=rf"'m\.json' \(written by .*{expected}"):
        decode_manifest(encoded_with(**changes), origin="m.json")
