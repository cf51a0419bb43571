import pytest
from kedro_pipes.worker.pinning import entries_from_catch_all

pytestmark = pytest.mark.newest  # the tests make a resolver as Kedro from 1.0 on does

CATALOG = {
    "explicit": {"type": "json.JSONDataset", "filepath": "explicit.json"},
    "{name}_table": {"type": "json.JSONDataset", "filepath": "tables/{name}.json"},
    "{anything}": {
        "type": "json.JSONDataset",
        "filepath": "s3://bucket/{anything}.json",
        "credentials": "warehouse",
        "versioned": True,
    },
}


def test_only_the_catch_all_needs_an_entry():
    """Kedro takes versions of explicit entries and of every other factory."""
    names = dict.fromkeys(["explicit", "raw_table", "other"], "2026-01-01T00.00.00.000Z")

    assert ["other"] == list(entries_from_catch_all(CATALOG, names))


def test_entry_is_what_the_factory_makes():
    """The entry is filled in, and refers to its credentials by name, never by value."""
    entries = entries_from_catch_all(CATALOG, {"other": "2026-01-01T00.00.00.000Z"})

    assert {
        "type": "json.JSONDataset",
        "filepath": "s3://bucket/other.json",
        "credentials": "warehouse",
        "versioned": True,
    } == entries["other"]


def test_catalog_without_catch_all():
    """What nothing describes is left for Kedro to refuse."""
    catalog = {"explicit": CATALOG["explicit"]}

    assert {} == entries_from_catch_all(catalog, {"other": "2026-01-01T00.00.00.000Z"})
