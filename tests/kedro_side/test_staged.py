"""A store that cannot be used while a group runs."""

from __future__ import annotations


def test_store_that_cannot_be_written(work):
    """The dataset, the place without its password, and the entry of dagster.yml are named."""
    url = "ftp://me:hush-hush-1@127.0.0.1:9/staging/doubled.pickle"
    code, events = work("memory", "count", "double", staged={"doubled": url})
    (failed,) = [event for event in events if event["event"] == "NodeFailed"]

    assert 1 == code
    assert ("double", "save", "doubled") == (failed["node"], failed["phase"], failed["dataset"])
    assert "Cannot stage dataset 'doubled' at 'ftp://127.0.0.1:9/staging" in failed["message"]
    assert "Set `store.url` in dagster.yml" in failed["message"]
    assert "hush-hush-1" not in str(events)


def test_staged_data_that_is_gone(work):
    """What another worker should have staged, and is not there, is named with its place."""
    code, events = work("memory", "add_up", staged={"doubled": ".kedro-pipes/staging/1/d.pickle"})
    (failed,) = [event for event in events if event["event"] == "NodeFailed"]

    assert 1 == code
    assert ("add_up", "load", "doubled") == (failed["node"], failed["phase"], failed["dataset"])
    assert "Cannot load staged dataset 'doubled' at" in failed["message"]
