"""What messages mean, and when a group has succeeded."""

import dagster as dg
import pytest
from dagster_kedro.channel import Message
from dagster_kedro.clients.base import WorkerExit
from dagster_kedro.errors import (
    BlockingCheckFailedError,
    ChannelIncompleteError,
    CheckNotReportedError,
    GroupFailedError,
    NodeFailedError,
    OutputNotSavedError,
    WorkerExitedError,
    WorkerOutOfMemoryError,
)
from dagster_kedro.results.expected import Expected
from dagster_kedro.results.group_results import GroupResults
from dagster_kedro.results.wording import LogLine
from hypothesis import given
from hypothesis import strategies as st
from kedro_manifest.events import DatasetSaved, NodeFailed, NodeFinished, encode_event

WELL = WorkerExit(code=0)
MODEL, ANNOUNCE = dg.AssetKey(["europe", "model"]), dg.AssetKey("announce")
ROWS, SHAPE = dg.AssetCheckKey(MODEL, "rows"), dg.AssetCheckKey(MODEL, "shape")
EXPECTED = Expected(
    name="group 'fit'",
    assets={MODEL: "dataset 'europe.model'", ANNOUNCE: "node 'announce'"},
    besides={"notes": dg.AssetKey("notes")},
)
CHECKED = Expected(name="group 'fit'", assets={}, checks={ROWS: True, SHAPE: False})
METHODS = [
    *("opened", "closed", "log", "report_asset_materialization", "report_asset_check"),
    *("report_custom_message", "log_external_stream", "dance"),
]


@pytest.fixture
def results():
    """The results of a group of two nodes."""
    return GroupResults(EXPECTED)


def take(results, method, **params):
    """Feed one message; return what it asks for."""
    return list(results.outcomes(Message(method=method, params=params)))


def event(results, of):
    return take(results, "report_custom_message", payload=encode_event(of))


def save_all(results):
    return [
        outcome
        for key in ("europe/model", "announce")
        for outcome in take(results, "report_asset_materialization", asset_key=key)
    ]


def test_success(results):
    """A group whose outputs are all saved, and which ended well, has succeeded."""
    made = save_all(results)

    assert [result.asset_key.path for result in made] == [["europe", "model"], ["announce"]]
    results.judge(WELL, [], [])


def test_saved_twice(results):
    """An asset that is reported twice is materialized once: Dagster refuses a second result."""
    save_all(results)

    assert save_all(results) == []


def test_metadata_and_data_version(results):
    """Metadata and data version come with a materialization."""
    (made,) = take(
        results, "report_asset_materialization", asset_key="europe/model", data_version="v1",
        metadata={"rows": {"type": "int", "raw_value": 3}},
    )  # fmt: skip

    assert made.metadata == {"rows": dg.MetadataValue.int(3)}
    assert made.data_version == dg.DataVersion("v1")


def test_made_besides(results):
    """What was not selected is told as a fact, and is no result."""
    (told,) = take(results, "report_asset_materialization", asset_key="other")

    assert isinstance(told, dg.AssetMaterialization)


def test_saved_besides(results):
    """A dataset that is saved because its node had to run is told as a fact, too."""
    saved = DatasetSaved(
        node="fit", dataset="notes@text", duration_s=1, data_version="v1",
        metadata={"n": {"type": "int", "raw_value": 3}},
    )  # fmt: skip
    told, _ = event(results, saved)

    assert told.asset_key == dg.AssetKey("notes")
    assert told.tags["dagster/data_version"] == "v1"
    assert told.metadata["n"] == dg.MetadataValue.int(3)


def report_check(results, name, **params):
    params = {"passed": True, "severity": "ERROR", "metadata": {}, **params}
    return take(results, "report_asset_check", asset_key="europe/model", check_name=name, **params)


@pytest.fixture
def checks():
    """The results of a group of which two checks are selected; `rows` is a blocking one."""
    return GroupResults(CHECKED)


def test_checks(checks):
    """A check's result is passed on with its severity; one that does not block may fail."""
    (rows,) = report_check(checks, "rows")
    (shape,) = report_check(checks, "shape", passed=False, severity="WARN")

    assert (rows.check_name, rows.passed) == ("rows", True)
    assert (shape.passed, shape.severity) == (False, dg.AssetCheckSeverity.WARN)
    checks.judge(WELL, [], [])


def test_blocking_check(checks):
    """A blocking check that fails stops what is downstream."""
    report_check(checks, "rows", passed=False)
    report_check(checks, "shape")

    with pytest.raises(BlockingCheckFailedError, match="check 'rows' of 'europe/model' failed"):
        checks.judge(WELL, [], [])


def test_a_blocking_check_that_warns(checks):
    """A blocking check that only warns stops nothing, as in Dagster."""
    report_check(checks, "rows", passed=False, severity="WARN")
    report_check(checks, "shape")

    checks.judge(WELL, [], [])


def test_a_check_that_was_never_reported(checks):
    """A clean end is no success if a selected check was never reported."""
    report_check(checks, "rows")

    with pytest.raises(CheckNotReportedError, match="check 'shape'"):
        checks.judge(WELL, [], [])


def test_a_check_that_nobody_declared(checks):
    """A check that Dagster does not know is no result, but is told with what it found."""
    line, fact = report_check(checks, "other", passed=False)

    assert line.level == "warning"
    assert "Check 'other' of 'europe/model' failed." in line.message
    assert "reported: [other]" in line.message
    assert (fact.check_name, fact.passed, fact.blocking) == ("other", False, False)


def test_a_known_check_that_was_not_selected():
    """What Kedro validates besides is told as a fact, and stops what is downstream if it blocks."""
    results = GroupResults(
        Expected(
            name="group 'fit'",
            assets={},
            known_checks={ROWS: True},
            partitions_checked={ROWS: ["a", "b"]},
        )
    )
    facts = report_check(results, "rows", passed=False)

    assert [("rows", "a"), ("rows", "b")] == [(each.check_name, each.partition) for each in facts]
    with pytest.raises(BlockingCheckFailedError, match="check 'rows' of 'europe/model' failed"):
        results.judge(WELL, [], [])


def test_a_node_that_validation_has_stopped(checks):
    """A node that failed because of a blocking check fails as that, its traceback quoted."""
    report_check(checks, "rows", passed=False)
    event(
        checks,
        NodeFailed(
            node="fit", phase="save", dataset="model", error_type="DataValidationError",
            message="no rows", traceback="Traceback: …",
        ),
    )  # fmt: skip

    with pytest.raises(
        BlockingCheckFailedError, match=r"'rows' of 'europe/model' failed\.\n\nNode 'fi"
    ):
        checks.judge(WorkerExit(code=1), [], [])


def test_a_node_that_was_not_begun(checks):
    """A worker that stops before what reads a wrong dataset says which node was left out."""
    report_check(checks, "rows", passed=False)
    name = "BlockedByCheckError"
    message = f"kedro_pipes.worker.checks.{name}: Node 'use' is not run: …\n"
    take(checks, "closed", exception={"name": name, "message": message, "stack": []})

    with pytest.raises(BlockingCheckFailedError, match=r"failed\.\n\nNode 'use' is not run"):
        checks.judge(WorkerExit(code=1), [], [])


@pytest.mark.parametrize(
    ("sent", "shown"),
    [("WARNING", "warning"), ("critical", "critical"), ("TRACE", "info"), (7, "info")],
)
def test_log(results, sent, shown):
    """A log line keeps its level; an unknown level is no reason to lose the line."""
    assert take(results, "log", message="hello", level=sent) == [LogLine("hello", shown)]


def test_version(results):
    """The version of a saved dataset is kept for its consumers, without transcoding."""
    event(results, DatasetSaved(node="fit", dataset="model@pickle", duration_s=1, version="v1"))

    assert results.versions == {"model": "v1"}


def test_durations(results):
    """A finished node is told with its times."""
    (line,) = event(results, NodeFinished(node="fit", load_s=0.5, compute_s=1, save_s=0.25))

    assert line.message == "[fit] finished in 1.75 s (load 0.50, compute 1.00, save 0.25)."


def test_foreign_custom_message(results):
    """A custom message that is not ours is logged, not refused."""
    (line,) = take(results, "report_custom_message", payload={"progress": 0.5})

    assert "progress" in line.message
    save_all(results)
    results.judge(WELL, [], [])


def test_node_failed(results):
    """The node's own failure wins over everything that follows from it."""
    failed = NodeFailed(
        node="fit", phase="save", dataset="model", error_type="OSError", message="disk full",
        traceback="Traceback: …",
    )  # fmt: skip
    (line,) = event(results, failed)

    assert line.level == "error"
    with pytest.raises(NodeFailedError, match="'fit' failed while saving 'model': OSError: disk f"):
        results.judge(WorkerExit(signal=9), ["the stream ended"], ["last line"])


def test_exception_before_any_node(results):
    """What failed before any node is said as that, with its traceback, even after exit code 0."""
    exception = {"name": "ImportError", "message": "no numpy", "stack": ["  File x, line 1\n"]}
    take(results, "closed", exception=exception)

    with pytest.raises(GroupFailedError, match="before any node did: ImportError: no numpy\n\n  F"):
        results.judge(WELL, [], [])


def test_the_name_of_an_exception_is_said_once(results):
    """Pipes sends the traceback's last line, in which the name has its module before it."""
    exception = {"name": "DriftError", "message": "shop.errors.DriftError: node 'a' is gone"}
    take(results, "closed", exception=exception)

    with pytest.raises(GroupFailedError, match=r"any node did: shop\.errors\.DriftError: node 'a'"):
        results.judge(WELL, [], [])


@pytest.mark.parametrize(
    ("ended", "how"),
    [
        (WorkerExit(code=3), "exited with code 3"),
        (WorkerExit(signal=9), "signal 9"),
        (WorkerExit(signal=9), "SIGKILL"),
        (WorkerExit(signal=15, stopped=True), "was stopped"),
    ],
)
def test_exit_without_a_reason(results, ended, how):
    """A bad exit fails the group though all was saved; the last output is quoted."""
    save_all(results)

    with pytest.raises(WorkerExitedError) as raised:
        results.judge(ended, [], ["Segmentation fault"])
    assert "group 'fit'" in str(raised.value)
    assert how in str(raised.value)
    assert "Segmentation fault" in str(raised.value)


def test_out_of_memory(results):
    """A worker that the kernel killed for want of memory is said to be that, with its peak."""
    ended = WorkerExit(signal=9, out_of_memory=True, peak_memory_bytes=512 * 2**20)

    with pytest.raises(WorkerOutOfMemoryError, match=r"want of memory.* 512 MiB"):
        results.judge(ended, [], [])


def test_incomplete_stream(results):
    """Exit code 0 is no success if messages are missing."""
    save_all(results)

    with pytest.raises(ChannelIncompleteError, match="message 2 never arrived"):
        results.judge(WELL, ["message 2 never arrived"], [])


@pytest.mark.parametrize(
    ("method", "params", "problem"),
    [
        ("dance", {}, "unknown method 'dance'"),
        ("log", {}, "'log' cannot be understood"),
        ("report_asset_check", {"asset_key": "europe/model"}, "cannot be understood"),
        ("report_asset_materialization", {"asset_key": "x", "metadata": 1}, "cannot be understood"),
        ("report_asset_materialization", {"asset_key": 1}, "cannot be understood"),
        ("closed", {"exception": 1}, "cannot be understood"),
        ("opened", {"extras": 1}, "cannot be understood"),
        ("report_custom_message", {"payload": {"kedro_pipes_event": {"event": "X"}}}, "understood"),
        ("opened", {"extras": {"kedro_pipes_protocol": "9.0"}}, "the worker speaks protocol 9.0"),
    ],
)
def test_a_message_that_makes_no_sense(results, method, params, problem):
    """A message that cannot be understood fails the group at its end, and nothing before."""
    assert take(results, method, **params) == []
    save_all(results)

    with pytest.raises(ChannelIncompleteError, match=problem):
        results.judge(WELL, [], [])


@pytest.mark.parametrize(
    ("saved", "missing"),
    [("europe/model", "node 'announce'"), ("announce", "dataset 'europe.model'")],
)
def test_an_output_that_was_never_saved(results, saved, missing):
    """A clean end is no success if a selected output was never saved."""
    take(results, "report_asset_materialization", asset_key=saved)

    with pytest.raises(OutputNotSavedError, match=f"never reported {missing} as done"):
        results.judge(WELL, [], [])


PARAMS = st.dictionaries(
    st.sampled_from(
        [
            *("asset_key", "metadata", "data_version", "check_name", "passed", "severity"),
            *("message", "level", "payload", "exception", "extras", "stream", "text"),
        ]
    ),
    st.none() | st.booleans() | st.integers() | st.text(max_size=5)
    | st.lists(st.integers(), max_size=2) | st.dictionaries(st.text(max_size=3), st.integers()),
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(METHODS), PARAMS), max_size=6))
def test_any_messages(messages):
    """No message whatever breaks the reader; a group that saved nothing never succeeds."""
    results = GroupResults(EXPECTED)
    for method, params in messages:
        take(results, method, **params)

    with pytest.raises(GroupFailedError):
        results.judge(WELL, [], [])
