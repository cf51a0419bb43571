"""Our worker under Dagster's own Pipes client: any Pipes client can launch it."""

import msgspec


def test_reports_materializations(run_with_stock_client, begin):
    """The asset is materialized, with our metadata."""
    run = run_with_stock_client(begin)

    assert run.success, run.errors
    assert run.materializations["early"]["kedro/node"] == "begin"
    assert begin.kedro_run_id == run.materializations["early"]["kedro/run_id"]


def test_fails_the_step(run_with_stock_client, begin):
    """A failure fails the step there too: the exit code says it."""
    run = run_with_stock_client(msgspec.structs.replace(begin, protocol_version="99.0"))

    assert not run.success
    assert run.materialized == []
