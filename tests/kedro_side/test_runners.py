"""Kedro's thread runner and asynchronous datasets in a worker: what is reported of each node."""

from __future__ import annotations

import pytest


def told(events, kind):
    return [event for event in events if event["event"] == kind]


def test_nodes_run_at_the_same_time(work):
    """Two nodes that wait for each other can only be finished by two threads."""
    code, events = work("meeting", "meet_left", "meet_right", "part", runner="thread")
    order = [(event["event"], event["node"]) for event in events if "node" in event]

    assert 0 == code
    for name in ("meet_left", "meet_right", "part"):
        own = [kind for kind, node in order if node == name]
        assert ("NodeStarted", "NodeFinished") == (own[0], own[-1])
        assert 1 == own.count("NodeStarted") == own.count("NodeFinished")
    finished = (
        order.index(("NodeFinished", "meet_left")),
        order.index(("NodeFinished", "meet_right")),
    )
    assert max(finished) < order.index(("NodeStarted", "part"))


def test_the_node_that_failed_is_named(work):
    """Another node that ran beside it, and is a generator too, is finished all the same."""
    code, events = work("stumbling", "stumble", "walk", runner="thread")
    (failed,), (finished,) = told(events, "NodeFailed"), told(events, "NodeFinished")

    assert 1 == code
    assert ("stumble", "RuntimeError") == (failed["node"], failed["error_type"])
    assert "walk" == finished["node"]
    assert ["way"] == [event["dataset"] for event in told(events, "DatasetSaved")]


@pytest.mark.parametrize("options", [{"runner": "thread"}, {"is_async": True}])
def test_what_could_not_be_saved_is_named(work, options):
    """Of two outputs that are saved at the same time, the one that failed is told."""
    code, events = work("half_sound", "give_both", **options)
    (failed,) = told(events, "NodeFailed")

    assert 1 == code
    assert ("give_both", "save", "broken") == (failed["node"], failed["phase"], failed["dataset"])
    assert not told(events, "NodeFinished")


def test_asynchronous_datasets(work):
    """Each dataset is reported once, and each node between its first and its last."""
    code, events = work("two", "give_two", "add", is_async=True, dataset_assets={"first": "first"})
    order = [
        (event["event"], event["node"])
        for event in events
        if event["event"] in {"NodeStarted", "NodeFinished"}
    ]

    assert 0 == code
    assert [
        ("NodeStarted", "give_two"), ("NodeFinished", "give_two"),
        ("NodeStarted", "add"), ("NodeFinished", "add"),
    ] == order  # fmt: skip
    assert ["first", "second", "together"] == sorted(
        event["dataset"] for event in told(events, "DatasetSaved")
    )
    assert ["first"] == [event["asset_key"] for event in told(events, "Materialization")]
    assert {"first", "second"} == {event["dataset"] for event in told(events, "DatasetLoaded")}


def test_asynchronous_generators_are_refused(work):
    """Kedro would refuse it when its turn comes, and the node before it would be taken for it."""
    code, events = work("stumbling", "walk", is_async=True)

    assert 1 == code
    assert ["WorkerStarted"] == [event["event"] for event in events]


def test_what_a_node_uses(work):
    """Processor time and memory are each node's own, though the nodes share a process."""
    code, events = work("memory", "count", "double", "add_up", "say")
    finished = told(events, "NodeFinished")

    assert 0 == code
    assert all(0 <= each["cpu_s"] < 10 for each in finished)
    assert all(each["peak_memory_bytes"] > 2**20 for each in finished)


def test_nothing_is_said_of_what_cannot_be_told_apart(work):
    """Nodes of a thread runner share processor and memory: neither is given to one of them."""
    _, events = work("meeting", "meet_left", "meet_right", "part", runner="thread")

    used = {(each["cpu_s"], each["peak_memory_bytes"]) for each in told(events, "NodeFinished")}
    assert {(None, None)} == used


def test_loading_and_saving_is_told_before(work):
    """What takes long is known while it takes long."""
    _, events = work("two", "give_two", "add")
    of_add = [
        (event["event"], event["dataset"])
        for event in events
        if event.get("node") == "add" and "dataset" in event
    ]

    assert [
        ("DatasetLoading", "first"),
        ("DatasetLoaded", "first"),
        ("DatasetLoading", "second"),
        ("DatasetLoaded", "second"),
        ("DatasetSaving", "together"),
        ("DatasetSaved", "together"),
    ] == of_add
