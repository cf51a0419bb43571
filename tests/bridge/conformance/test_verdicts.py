"""What a worker says, byte by byte, and what Dagster makes of it."""

import dagster as dg
import pytest


def check(*, blocking=False):
    return dg.AssetCheckSpec("small", asset="outcome", blocking=blocking)


def test_success(any_bridge):
    """A worker that opens, saves, closes and exits with 0 has succeeded."""
    run = any_bridge.run_wire("success")

    assert run.success, run.errors
    assert run.materialized == ["outcome"]


@pytest.mark.parametrize("row", ["duplicates", "reordered", "newer_minor", "unknown_level"])
def test_harmless(any_bridge, row):
    """Repeats, another order, a newer minor protocol, an unknown log level: nothing is lost."""
    run = any_bridge.run_wire(row)

    assert run.success, run.errors
    assert run.materialized == ["outcome"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("exit_0_without_closing", "the stream ended after message 2 without its closing message"),
        ("missing", "message 2 never arrived"),
        ("closing_cut_off", "without its closing message"),
        ("odd_number", "is no message"),
        ("odd_params", "is no message"),
        ("unknown_method", "unknown method 'report_dance'"),
        ("other_protocol", "the worker speaks protocol 2.0, this side 1.0; install the same"),
    ],
)
def test_not_to_be_trusted(any_bridge, row, reason):
    """A stream with a defect fails the step, though the worker exits with 0, and says which."""
    run = any_bridge.run_wire(row)

    assert not run.success
    assert "Cannot trust the result of program" in run.error
    assert reason in run.error


@pytest.mark.parametrize("row", ["half_line", "foreign_line", "no_json"])
def test_foreign_bytes(any_bridge, row):
    """Foreign bytes fail a step where only messages may be; on a shared stream they are output."""
    run = any_bridge.run_wire(row)

    if any_bridge.adapter.shares_stream:
        assert run.success, run.errors
    else:
        assert not run.success
        assert "is no message" in run.error


def test_unknown_field(any_bridge):
    """A field that this side does not know is passed over, and the log says so."""
    run = any_bridge.run_wire("unknown_field")

    assert run.success, run.errors
    assert (
        "WARNING",
        "Passed over the unknown field 'colour' of a message 'report_asset_materialization'.",
    ) in run.logged


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("exception_but_exit_0", "ValueError: no luck"),
        ("exit_3", "exited with code 3"),
        ("killed", "was killed by signal 9 (SIGKILL)"),
    ],
)
def test_failed(any_bridge, row, reason):
    """An exception, an exit code or a signal fails the step with that as the reason."""
    run = any_bridge.run_wire(row)

    assert not run.success
    assert reason in run.error


def test_quotes_the_output(any_bridge):
    """Where a worker gives no reason, its last output is quoted."""
    assert "no licence" in any_bridge.run_wire("exit_3").error


def test_selected_output_never_saved(any_bridge):
    """A worker that ends well without saving a selected output has failed."""
    run = any_bridge.run_wire("never_saved")

    assert not run.success
    assert "never reported asset 'outcome' as done" in run.error


def test_what_is_saved_before_stays(any_bridge):
    """What one worker did save stays materialized when another output is missing."""
    run = any_bridge.run_wire("success", extra_assets=["second"])

    assert not run.success
    assert run.materialized == ["outcome"]
    assert "never reported asset 'second' as done" in run.error


def test_selected_check_never_reported(any_bridge):
    """A selected check counts as an output does: unreported, it fails the step."""
    run = any_bridge.run_wire("check_never_reported", checks=[check()])

    assert not run.success
    assert "never reported the asset check 'small'" in run.error


@pytest.mark.parametrize("blocking", [True, False])
def test_failed_check(any_bridge, blocking):
    """A failed check fails the step if it blocks; the materialization stays either way."""
    run = any_bridge.run_wire("check_failed", checks=[check(blocking=blocking)])

    assert run.success is not blocking
    assert run.materialized == ["outcome"]


def test_nan(any_bridge):
    """A metric that is no number is shown as text; JSON has no word for it, some writers do."""
    run = any_bridge.run_wire("nan")

    assert run.success, run.errors
    assert run.materializations["outcome"]["loss"] == "nan"
