"""A group with Kedro's thread runner or asynchronous datasets gives what `kedro run` gives so."""

import pytest


def one_group(*pipelines, **settings):
    """Return a `dagster.yml` in which some pipelines share a process that is run like this."""
    return {"groups": {"all": {"pipelines": list(pipelines), **settings}}}


@pytest.fixture(scope="module")
def threaded(run_both):
    """Every kind of dataset, generators and confirmations, in one process with threads."""
    return run_both(
        "stored",
        dagster=one_group("formats", "parts", "inbox", runner="thread"),
        kedro_options=["--runner=ThreadRunner"],
    )


def test_thread_runner(threaded):
    """The files are those of `kedro run --runner=ThreadRunner`, out of one process."""
    threaded.assert_equal()
    assert 1 == len(threaded.groups)


def test_each_node_is_told_once(threaded):
    """Start and end of each node are in the log once, whatever ran beside it."""
    texts = [text for _, text in threaded.run.logged]

    for name in ("make", "read", "say", "split", "stream", "count", "read_new", "answer"):
        assert 1 == texts.count(f"[{name}] started.")
        assert 1 == len([text for text in texts if text.startswith(f"[{name}] finished in ")])


def test_asynchronous_datasets(run_both):
    """The files are those of `kedro run --async`."""
    both = run_both(
        "stored", "formats", dagster=one_group("formats", is_async=True), kedro_options=["--async"]
    )

    both.assert_equal()
    assert 1 == len(both.groups)


def test_logs_of_threads(copy_project, export, run_job):
    """What two nodes log and print at the same time is told of the right one."""
    folder = copy_project("relay")
    (folder / "conf/base/dagster.yml").write_text(
        "groups: {both: {pipelines: [meeting], runner: thread}}"
    )
    export(folder)
    run = run_job(folder, "meeting")

    assert run.success, run.errors
    assert ("INFO", "[meet_left] relay.nodes: left is here") in run.logged
    assert ("INFO", "[meet_right] relay.nodes: right is here") in run.logged
    for side in ("left", "right"):
        (printed,) = [text for _, text in run.logged if f"{side} prints" in text]
        assert printed.startswith(f"[meet_{side}] stderr")
