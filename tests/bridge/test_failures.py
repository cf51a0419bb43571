import pytest


@pytest.fixture(scope="module")
def computing(copy_of, run_job):
    """A run in which one of four nodes raises."""
    folder = copy_of("failing")
    return folder, run_job(folder, "computing", max_concurrent=2)


@pytest.fixture(scope="module")
def around(copy_of, run_job):
    """Runs of the nodes that fail around their function, one after the other."""
    folder = copy_of("failing")
    return {job: run_job(folder, job) for job in ("leaving", "loading", "saving")}


def test_names_the_node(computing):
    """A node that raises fails the step, whose error starts with the node and the exception."""
    _, run = computing

    assert not run.success
    assert "Node 'divide' failed while running it: ZeroDivisionError: division by zero" in run.error


def test_quotes_the_traceback(computing):
    """The step's error quotes the line of the user's own code."""
    _, run = computing

    assert "pipeline_registry.py" in run.error
    assert 'return prepared["value"] / 0' in run.error


def test_keeps_what_was_finished(computing):
    """What finished before the failure, or beside it, stays materialized."""
    folder, run = computing

    assert {"prepared", "copied"} == set(run.materialized)
    assert (folder / "data/prepared.json").is_file()


def test_runs_nothing_downstream(computing):
    """No node that depends on the failed one is started, and the log names what was left out."""
    folder, run = computing

    assert not (folder / "data/used.json").exists()
    assert not any("[use] started" in text for _, text in run.logged)
    assert ("ERROR", "Not run because of the failure: use.") in run.logged


def test_failure_while_loading(around):
    """A dataset that cannot be loaded is named, with what was being done."""
    run = around["loading"]

    assert not run.success
    assert "Node 'load' failed while loading 'absent': DatasetError:" in run.error
    assert run.materialized == []


def test_failure_while_saving(around):
    """A dataset that cannot be saved is named, and is not reported as saved."""
    run = around["saving"]

    assert not run.success
    assert "Node 'save' failed while saving 'never_saved': DatasetError:" in run.error
    assert run.materialized == []


def test_exit_with_zero(around):
    """A node that calls `sys.exit(0)` has failed: its output does not exist."""
    run = around["leaving"]

    assert not run.success
    assert "Node 'leave' failed while running it: SystemExit: 0" in run.error
    assert run.materialized == []


def test_several_failures(copy_of, run_job):
    """If groups fail that do not wait for each other, the step's error holds all of their reasons."""
    run = run_job(copy_of("failing"), "both", max_concurrent=2)

    assert "RunFailedError: 2 groups failed." in run.error
    assert "Node 'leave' failed while running it: SystemExit: 0" in run.error
    assert "Node 'save' failed while saving 'never_saved': DatasetError:" in run.error
