from __future__ import annotations

import json

import msgspec
import pytest
from kedro_manifest.errors import InvocationError
from kedro_manifest.events import (
    DatasetLoaded,
    DatasetSaved,
    DatasetsFound,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    PartitionsSaved,
    WorkerStarted,
    decode_event,
    encode_event,
)
from kedro_manifest.invocation import (
    EXTRAS_KEY,
    Invocation,
    decode_invocation,
    encode_invocation,
)

INVOCATION = Invocation(
    group="fit+1",
    nodes=["fit", "λ.select"],
    pipelines=["training"],
    kedro_run_id="2026-11-22T10.00.00.000Z",
    dagster_run_id="0a1b",
    package_name="spaceport",
    runtime_params={"model": {"depth": 8, "fallback": None}},
    load_versions={"model": "2026-11-21T10.00.00.000Z"},
)

EVENTS = [
    WorkerStarted(process_id=7, kedro_version="1.7.0", worker_version="0.1.0"),
    NodeStarted(node="fit"),
    NodeFinished(node="fit", load_s=0.1, compute_s=2.5, save_s=0.0),
    NodeFailed(
        node="fit", phase="save", dataset="m", error_type="E", message="no", traceback="Trace…"
    ),
    DatasetLoaded(node="fit", dataset="x@pandas", duration_s=0.25),
    DatasetSaved(
        node="fit",
        dataset="m",
        duration_s=1.0,
        version="v",
        metadata={"rows": {"type": "int", "raw_value": 3}},
    ),
    PartitionsSaved(node="fit", dataset="m", partitions=["2013-01"]),
    DatasetsFound(datasets=["m"], partitions={"m": ["2013-01"]}),
]


def through_json(value):
    """What arrives on the other side of a pipe."""
    return json.loads(json.dumps(value))


def test_invocation_round_trip():
    """An invocation arrives as it was sent, other extras beside it."""
    extras = through_json({"other": 1, **encode_invocation(INVOCATION)})

    assert INVOCATION == decode_invocation(extras)


def test_extras_without_an_invocation_are_refused():
    """A worker started by a foreign client says what is missing and how to pass it."""
    with pytest.raises(InvocationError, match=r"no extra 'kedro_pipes'.*--invocation FILE"):
        decode_invocation({"other": 1})


@pytest.mark.parametrize("raw", [{"protocol_version": "2.0"}, {}, "text", None])
def test_another_protocol_is_refused(raw):
    """Another major version of the protocol is named, with the cure."""
    with pytest.raises(InvocationError, match="Install the same version"):
        decode_invocation({EXTRAS_KEY: raw})


def test_wrong_type_in_an_invocation_is_refused_with_its_path():
    """A value of the wrong type is named by its path."""
    extras = encode_invocation(INVOCATION)
    extras[EXTRAS_KEY]["nodes"] = "fit"

    with pytest.raises(InvocationError, match=r"Expected `array`, got `str` - at `\$\.nodes`"):
        decode_invocation(extras)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_event_round_trip(event):
    """Every event arrives as it was sent, with its kind."""
    assert event == decode_event(through_json(encode_event(event)))


@pytest.mark.parametrize("payload", [{}, {"foreign": 1}, "text", None, [1]])
def test_foreign_payloads_are_no_events(payload):
    """A user's own custom message is not ours, and no error."""
    assert decode_event(payload) is None


def test_unknown_event_is_an_error():
    """An event of ours of a kind that is not known here must not be passed over."""
    with pytest.raises(msgspec.ValidationError, match="Invalid value 'NodeExploded'"):
        decode_event({"kedro_pipes_event": {"event": "NodeExploded"}})
