"""Messages in a bucket: a folder of this machine here, which fsspec takes for one as well."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from dagster_pipes import (
    DAGSTER_PIPES_CONTEXT_ENV_VAR,
    DAGSTER_PIPES_MESSAGES_ENV_VAR,
    encode_param,
)
from kedro_manifest.events import NUMBER_KEY
from kedro_manifest.invocation import BUCKETS_VARIABLE, Invocation, encode_invocation
from kedro_pipes.worker.channel import NumberedMessageWriter
from kedro_pipes.worker.object_messages import ChunkedMessages, ObjectContextLoader

SOON_S = 0.01
PATIENCE_S = 10.0


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """A folder in the place of a bucket."""
    monkeypatch.setenv(BUCKETS_VARIABLE, "file")
    (tmp_path / "run").mkdir()
    return tmp_path


def params_of(bucket):
    return {"bucket": str(bucket), "key_prefix": "run"}


def lines_of(bucket):
    """Return the messages as a reader finds them: chunk by chunk, until one is not there."""
    found, number = [], 1
    while (file := bucket / f"run/{number}.json").is_file():
        found += file.read_text().splitlines()
        number += 1
    return found


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(SOON_S)


def test_messages_are_numbered_and_whole(bucket):
    """All that was written is there when the writer is closed, with its numbers."""
    with NumberedMessageWriter().open(params_of(bucket)) as channel:
        for method in ("opened", "log", "closed"):
            channel.write_message({"method": method, "params": {}})
    found = [json.loads(line) for line in lines_of(bucket)]

    assert [("opened", 1), ("log", 2), ("closed", 3)] == [
        (each["method"], each[NUMBER_KEY]) for each in found
    ]


def test_messages_come_while_the_worker_runs(bucket):
    """A chunk is sent now and then, not at the end only."""
    with ChunkedMessages(params_of(bucket), interval_s=SOON_S).sent() as messages:
        messages.write(1, b"first")
        wait_for(lambda: lines_of(bucket) == ["first"])
        messages.write(2, b"second")
        wait_for(lambda: lines_of(bucket) == ["first", "second"])


def test_a_chunk_that_is_refused_is_sent_again(bucket):
    """What the store did not take at first comes in its place, before what was written later."""
    (bucket / "run").rmdir()
    with ChunkedMessages(params_of(bucket), interval_s=SOON_S).sent() as messages:
        messages.write(1, b"first")
        time.sleep(20 * SOON_S)
        messages.write(2, b"second")
        (bucket / "run").mkdir()
        wait_for(lambda: lines_of(bucket) == ["first", "second"])

    assert "first" == (bucket / "run/1.json").read_text()


def test_messages_that_cannot_be_sent_fail_the_worker(bucket):
    """A worker that cannot report what it did has not succeeded."""
    (bucket / "run").rmdir()
    messages = ChunkedMessages(params_of(bucket))

    with pytest.raises(OSError, match=r"run/1\.json"), messages.sent():
        messages.write(1, b"first")


FORKING = """
import os, sys
from kedro_pipes.worker.object_messages import ChunkedMessages

folder = sys.argv[1]
messages = ChunkedMessages({"bucket": folder, "key_prefix": "run"}, interval_s=60)
with messages.sent():
    messages.write(1, b"first")
    child = os.fork()
    if child == 0:
        sys.exit()
    os.waitpid(child, 0)
    print(os.listdir(f"{folder}/run"))
"""


def test_forked_processes_send_nothing(bucket):
    """What a node forks does not send its parent's messages when it ends."""
    command = [sys.executable, "-c", FORKING, str(bucket)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    assert "[]\n" == result.stdout
    assert ["first"] == lines_of(bucket)


def test_context_is_loaded_from_an_object(bucket):
    """Dagster's injectors for object stores name a bucket and a key."""
    (bucket / "run/context.json").write_text(json.dumps({"run_id": "r"}))
    params = {"bucket": str(bucket), "key": "run/context.json"}

    with ObjectContextLoader().load_context(params) as context:
        assert {"run_id": "r"} == context


@pytest.fixture
def work(bucket, copied, run_command):
    """Run a worker of a project that is told its context and place for messages by a bucket."""
    project = copied("relay")
    invocation = Invocation(
        group="begin",
        nodes=["begin"],
        pipelines=["streaming"],
        kedro_run_id="2026-11-01T00.00.00.000Z",
        dagster_run_id="r",
        package_name="relay",
    )
    context = {
        "run_id": "r",
        "job_name": "j",
        "asset_keys": [],
        "retry_number": 0,
        "extras": encode_invocation(invocation),
    }
    (bucket / "run/context.json").write_text(json.dumps(context))

    def run_worker():
        at = {"bucket": str(bucket), "key": "run/context.json"}
        variables = {
            DAGSTER_PIPES_CONTEXT_ENV_VAR: encode_param(at),
            DAGSTER_PIPES_MESSAGES_ENV_VAR: encode_param(params_of(bucket)),
        }
        return run_command([sys.executable, "-m", "kedro_pipes"], project, **variables)

    return run_worker


def test_worker_between_buckets(bucket, work):
    """A worker finds in a bucket what to do, and tells there that all is done."""
    result = work()
    found = [json.loads(line) for line in lines_of(bucket)]

    assert 0 == result.returncode, result.stderr
    assert ["opened", "closed"] == [found[0]["method"], found[-1]["method"]]
    assert list(range(1, len(found) + 1)) == [each[NUMBER_KEY] for each in found]


def test_worker_whose_messages_nobody_takes(bucket, work):
    """It fails, whatever its nodes did."""
    (bucket / "run/1.json").mkdir()
    result = work()

    assert 1 == result.returncode
    assert "run/1.json" in result.stderr


def test_a_folder_takes_chunks(tmp_path):
    """Where the path for messages is a folder, as that of a mounted volume, chunks are put there."""
    with NumberedMessageWriter().open({"path": str(tmp_path)}) as channel:
        for method in ("opened", "closed"):
            channel.write_message({"method": method, "params": {}})
    found = [json.loads(line) for line in (tmp_path / "1.json").read_text().splitlines()]

    assert [("opened", 1), ("closed", 2)] == [(each["method"], each[NUMBER_KEY]) for each in found]
