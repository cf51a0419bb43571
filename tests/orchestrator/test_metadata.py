"""Metadata of any shape becomes something that Dagster stores, never an error."""

import json

import dagster as dg
import pytest
from dagster_kedro.results.metadata import metadata_from_pipes
from hypothesis import given
from hypothesis import strategies as st

TYPES = [
    *("__infer__", "text", "url", "path", "notebook", "json", "md", "float", "int", "bool"),
    *("timestamp", "dagster_run", "asset", "table", "table_schema", "null", "unheard_of"),
    "table_column_lineage",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
TABLES = st.fixed_dictionaries({"records": JSON, "schema": JSON}) | st.fixed_dictionaries(
    {"columns": st.lists(st.dictionaries(st.sampled_from(["name", "type", "x"]), JSON) | JSON)}
)
ENTRIES = JSON | st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES) | JSON, "raw_value": JSON | TABLES}
)


def one(kind, raw):
    return metadata_from_pipes({"it": {"type": kind, "raw_value": raw}})["it"]


@given(st.dictionaries(st.text(), ENTRIES, max_size=4))
def test_never_fails(values):
    """Any JSON makes metadata that Dagster takes and can store."""
    metadata = metadata_from_pipes(values)

    assert metadata.keys() == values.keys()
    event = dg.AssetMaterialization("asset", metadata=metadata)
    dg.deserialize_value(dg.serialize_value(event), dg.AssetMaterialization)


@pytest.mark.parametrize(
    ("kind", "raw", "expected"),
    [
        ("text", "hello", dg.MetadataValue.text("hello")),
        ("int", 3, dg.MetadataValue.int(3)),
        ("float", 0.5, dg.MetadataValue.float(0.5)),
        ("bool", True, dg.MetadataValue.bool(True)),
        ("json", {"a": [1]}, dg.MetadataValue.json({"a": [1]})),
        ("md", "# x", dg.MetadataValue.md("# x")),
        ("url", "https://x", dg.MetadataValue.url("https://x")),
        ("path", "/x", dg.MetadataValue.path("/x")),
        ("asset", "a/b", dg.MetadataValue.asset(dg.AssetKey(["a", "b"]))),
        ("timestamp", 12.5, dg.MetadataValue.timestamp(12.5)),
        ("null", None, dg.MetadataValue.null()),
        ("__infer__", True, dg.MetadataValue.bool(True)),
        ("__infer__", 3, dg.MetadataValue.int(3)),
        ("__infer__", {"a": 1}, dg.MetadataValue.json({"a": 1})),
    ],
)
def test_types(kind, raw, expected):
    """A value of a declared type is of that type in Dagster."""
    assert one(kind, raw) == expected


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_no_numbers(number):
    """What JSON has no word for is shown as text."""
    assert one("float", number).value == str(number)


@pytest.mark.parametrize("kind", ["json", "__infer__"])
def test_no_numbers_in_json(kind):
    """Inside JSON as well: the web interface could not read it otherwise."""
    value = one(kind, {"scores": [float("nan"), {"best": float("inf")}], "n": 1.5}).value

    assert value == {"scores": ["nan", {"best": "inf"}], "n": 1.5}
    json.dumps(value, allow_nan=False)


def test_wrong_type():
    """A value that does not fit its type is shown as it is."""
    assert one("int", "many") == dg.MetadataValue.text("many")
    assert one("table", {"rows": 1}) == dg.MetadataValue.text(json.dumps({"rows": 1}))


def test_column_schema():
    """A table's columns keep name, type and order."""
    columns = [{"name": "b", "type": "int64"}, {"name": "a", "type": "str"}]
    schema = one("table_schema", {"columns": columns}).value

    assert [(column.name, column.type) for column in schema.columns] == [
        ("b", "int64"),
        ("a", "str"),
    ]


def test_column_lineage():
    """Each column has the columns that it is made of, of assets by their keys."""
    sources = [{"asset_key": "shop/orders", "column_name": "amount"}]
    lineage = one("table_column_lineage", {"deps_by_column": {"total": sources}}).value

    assert [dg.TableColumnDep(dg.AssetKey(["shop", "orders"]), "amount")] == list(
        lineage.deps_by_column["total"]
    )
