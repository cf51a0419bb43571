"""Real workers whose nodes misbehave: what a user sees in Dagster."""

import logging
import os
import re
import subprocess
import tempfile
import threading
import time

import dagster as dg
import pytest

TEN_MEGABYTES = 10_000_000


def lines_of(run):
    """Return the numbers of the lines that a node has logged, as they stand in the run's log."""
    # Where many come in a crowd, several share an entry.
    return [
        int(n)
        for _, text in run.logged
        for n in re.findall(r"misbehaving\.nodes: line (\d+)", text)
    ]


def test_success(bridge):
    """A node that behaves is materialized once, and the run succeeds."""
    run = bridge.run(behaviour="fine")

    assert run.success, run.errors
    assert run.materialized == ["outcome"]


def test_live(bridge, tmp_path):
    """The first materialization is stored while a later node is still waiting."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        stored = threading.Event()

        def say_go():
            deadline = time.monotonic() + 60
            while not stored.is_set() and time.monotonic() < deadline:
                if instance.get_latest_materialization_event(dg.AssetKey("begun")):
                    stored.set()
                    (bridge.project_dir / "data/go").touch()
                time.sleep(0.02)

        bridge.project_dir  # noqa: B018 - make it before the thread needs it
        watcher = threading.Thread(target=say_go)
        watcher.start()
        run = bridge.run("chain", behaviour="wait", instance=instance)
        watcher.join()

    assert run.success, run.errors
    assert run.materialized == ["begun", "continued", "ended"]


def test_exception(bridge):
    """An exception names the node, the exception and the line, and stops what is downstream."""
    run = bridge.run("chain", behaviour="raise_error")

    assert not run.success
    assert run.materialized == ["begun"]
    assert "Node 'continue' failed while running it: ZeroDivisionError: one over" in run.error
    assert 'raise ZeroDivisionError("one over nothing")' in run.error


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("exit_0", "without its closing message"),
        ("exit_3", "exited with code 3"),
        ("kill_itself", "was killed by signal 9 (SIGKILL)"),
    ],
)
def test_ended(bridge, behaviour, reason):
    """A worker that ends in the middle of a node fails the run, with how it ended."""
    run = bridge.run(behaviour=behaviour)

    assert not run.success
    assert run.materialized == []
    assert reason in run.error


def test_output_is_quoted(bridge):
    """What a worker wrote before it ended without a reason is quoted in the error."""
    assert "the licence server is gone" in bridge.run(behaviour="exit_3").error


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to make a control group")
def test_out_of_memory(bridge, tmp_path):
    """A worker killed by the kernel for want of memory is reported as that, with its peak."""
    with bridge.adapter.little_memory(bridge.kedro_python, 150 * 2**20, tmp_path) as options:
        run = bridge.run(
            behaviour="eat_memory", client=bridge.adapter.client(bridge.token, **options)
        )

    assert not run.success
    assert "WorkerOutOfMemoryError" in run.error
    assert "was killed by the kernel for want of memory" in run.error
    assert "Its largest memory was 1" in run.error


def test_never_saved(bridge):
    """A node that ends well without saving its output fails the run: a generator, with nothing."""
    run = bridge.run("empty")

    assert not run.success
    assert "never reported dataset 'never' as done" in run.error


def test_children_left_behind(bridge):
    """What a worker that ended well has left running is ended with it, and soon."""
    began_at = time.monotonic()
    run = bridge.run(behaviour="leave_children")

    assert run.success, run.errors
    assert bridge.leftovers() == []
    assert time.monotonic() - began_at < 15


def test_timeout(bridge):
    """A worker that takes too long is stopped with all that it started, deaf or not."""
    run = bridge.run(behaviour="hang_deaf", worker={"timeout_s": 4})

    assert not run.success
    assert "WorkerTimedOutError: The worker of group 'only' took longer than its 4 s" in run.error
    assert bridge.leftovers() == []


def test_forked_processes_log(bridge):
    """Processes that a node forks log too, and never take a number away from their parent."""
    run = bridge.run(behaviour="fork_and_log", size=20)

    assert run.success, run.errors
    assert list(range(20)) == [n for n in lines_of(run) if n < 1000]
    assert sorted(n for n in lines_of(run) if n >= 1000) == list(range(1000, 1020))


def test_ten_megabytes(bridge):
    """One message of ten megabytes arrives whole."""
    run = bridge.run(behaviour="log_once", size=TEN_MEGABYTES)

    assert run.success, run.errors
    assert "x" * TEN_MEGABYTES in max((text for _, text in run.logged), key=len)


def test_many_messages(bridge):
    """Twenty thousand messages arrive, every one and in order."""
    run = bridge.run(behaviour="log_often", size=20_000)

    assert run.success, run.errors
    assert list(range(0, 20_000, 20)) == lines_of(run)


@pytest.mark.parametrize("behaviour", ["progress_bar", "noise"])
def test_noise(bridge, behaviour):
    """A progress bar without line breaks, or bytes that are no text, cost no message."""
    run = bridge.run(behaviour=behaviour, size=100)

    assert run.success, run.errors
    assert list(range(100)) == lines_of(run)


def test_noise_is_output(bridge, capfd):
    """The progress bar itself still reaches the step's output."""
    bridge.run(behaviour="progress_bar", size=100)
    output = capfd.readouterr().out

    assert "[only]" in output
    assert "90%|#########|" in output


def test_bad_metadata(bridge):
    """What is no metadata never fails the node: it is converted or cut, and a line says so."""
    run = bridge.run(behaviour="bad_metadata")

    assert run.success, run.errors
    assert run.materialized == ["outcome"]
    extra = run.materializations["outcome"]
    assert extra["kedro/node"] == "only"
    assert (extra["nan"], extra["infinite"], extra["scalar"]) == ("nan", "inf", 42)
    assert extra["nested"] == {"a": {"b": [1, {"c": 2}]}}
    assert len(extra["huge"]) < 200_000
    assert {"bytes", "object", "endless", "surrogate", "large", "7"} <= extra.keys()
    said = [text for level, text in run.logged if level == "WARNING"]
    assert any("'huge'" in text for text in said), said


def test_unknown_level(bridge):
    """A log level of the user's own is shown at a standard one."""
    run = bridge.run(behaviour="unknown_level")

    assert run.success, run.errors
    texts = {text.rpartition(": ")[2]: level for level, text in run.logged}
    assert texts["noticed by Kedro"] == logging.getLevelName(logging.INFO)
    assert texts["noticed by Pipes"] == logging.getLevelName(logging.INFO)


def test_fifty_at_once(bridge):
    """Fifty invocations at a time in one step keep their messages apart.

    The workers are light ones, without Kedro: fifty real ones would take the machine's memory.
    """
    light = bridge.adapter.light_worker(bridge.kedro_python, bridge.folder)
    client = bridge.adapter.client(bridge.token, **light)
    run = bridge.run("many", max_concurrent=50, client=client)
    made = run.materializations
    made_by = {f"make_{number:02d}": f"part_{number:02d}" for number in range(50)} | {None: None}

    assert run.success, run.errors
    assert len(run.materialized) == len(set(run.materialized)) == 50
    processes = {each.get("process") or each["kedro/process_id"] for each in made.values()}
    assert len(processes) == 50
    assert all(key == each.get("of", made_by[each.get("kedro/node")]) for key, each in made.items())


def test_two_sessions_at_once(bridge, make_bridge):
    """Two runs through one client at the same time take nothing from each other."""
    other = make_bridge(bridge.adapter)
    client = bridge.adapter.client(bridge.token)
    runs = {}

    def run_other():
        runs["other"] = other.run(behaviour="log_often", size=2000, client=client)

    thread = threading.Thread(target=run_other)
    other.project_dir  # noqa: B018 - the thread makes no copy
    thread.start()
    runs["one"] = bridge.run(behaviour="log_often", size=2000, client=client)
    thread.join()

    for run in runs.values():
        assert run.success, run.errors
        assert list(range(0, 2000, 20)) == lines_of(run)


def small_disk(folder):
    """Mount a file system of 64 KiB for what the client writes."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to mount a small file system")
def test_disk_full(bridge, tmp_path, monkeypatch):
    """Where no message file can grow any more, the run fails and says why; frames need no disk."""
    small_disk(tmp_path)
    try:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        client = bridge.adapter.client(bridge.token, env={"MESSAGES_IN": str(tmp_path)})
        run = bridge.run(behaviour="fill_disk", client=client)
    finally:
        subprocess.run(["umount", tmp_path], check=True)

    if bridge.adapter.shares_stream:
        assert run.success, run.errors
    else:
        assert not run.success
        assert "No space left on device" in run.error


def test_messages_deleted(bridge, tmp_path, monkeypatch):
    """Where the message file is deleted under the reader, the run fails; frames need no file."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    client = bridge.adapter.client(bridge.token, env={"MESSAGES_IN": str(tmp_path)})
    run = bridge.run(behaviour="delete_messages", client=client)

    if bridge.adapter.shares_stream:
        assert run.success, run.errors
    else:
        assert not run.success
        assert "without its closing message" in run.error


def test_messages_unreadable(bridge, tmp_path, monkeypatch):
    """Where the message file becomes something else, the run fails with a reason."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    client = bridge.adapter.client(bridge.token, env={"MESSAGES_IN": str(tmp_path)})
    run = bridge.run(behaviour="replace_messages", client=client)

    if bridge.adapter.shares_stream:
        assert run.success, run.errors
    else:
        assert not run.success
        assert "ChannelIncompleteError" in run.error
        assert "the messages cannot be read" in run.error
