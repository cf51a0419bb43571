"""Messages a second through each channel, from a process that writes to one that reads.

    .venv/dagster/bin/python tests/benchmarks/channel_throughput.py --kedro-python PATH

A process in the Kedro environment writes log-sized messages; this one reads them while they come:
the stock Pipes file channel, our file channel, and our frames on standard output. The channels
take turns, so that a noisy machine disturbs all of them alike. Medians and ratios are printed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from queue import Queue

import dagster as dg
from dagster_kedro.channel import MessageFile, MessageStream
from dagster_pipes import DAGSTER_PIPES_MESSAGES_ENV_VAR, encode_param
from kedro_manifest.frames import FrameReader
from kedro_manifest.invocation import FRAMES_PARAM

WRITER = """
import sys
from dagster_pipes import PipesDefaultMessageWriter, PipesEnvVarParamsLoader, _make_message
from kedro_pipes.worker.channel import NumberedMessageWriter
kind, count = sys.argv[1], int(sys.argv[2])
writer = PipesDefaultMessageWriter() if kind == "stock" else NumberedMessageWriter()
with writer.open(PipesEnvVarParamsLoader().load_messages_params()) as channel:
    channel.write_message(_make_message("opened", {"extras": {}}))
    for number in range(count):
        params = {"message": f"[train_model] shop.nodes: epoch {number}, loss 0.123456, lr 0.001",
                  "level": "INFO"}
        channel.write_message(_make_message("log", params))
    channel.write_message(_make_message("closed", None))
"""
IDLE_S = 0.001


def read_stock(python: Path, count: int) -> int:
    """Read with the stock file reader's own thread, into a handler that counts."""
    seen: Queue[int] = Queue()

    class Counting:
        def handle_message(self, message: dict[str, object]) -> None:
            self.total = getattr(self, "total", 0) + (message["method"] == "log")
            if message["method"] == "closed":
                seen.put(self.total)

        def report_pipes_framework_exception(self, *_: object) -> None:
            seen.put(-1)

    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/messages"
        reader = dg.PipesFileMessageReader(path)
        with reader.read_messages(Counting()) as params:  # type: ignore[arg-type]
            process = start(python, "stock", count, dict(params))
            process.wait()
            return seen.get(timeout=60)


def read_file(python: Path, count: int) -> int:
    """Read our file as a running step does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "messages")
        path.touch()
        file, stream, total = MessageFile(path), MessageStream(), 0
        process = start(python, "file", count, {"path": str(path)})
        while True:
            ended = process.poll() is not None
            lines = file.read_rest() if ended else file.read_lines()
            total += sum(m.method == "log" for line in lines for m in stream.feed(line))
            if ended:
                break
            if not lines:
                time.sleep(IDLE_S)
        assert stream.defects() == []
        return total


def read_frames(python: Path, count: int) -> int:
    """Read frames from the writer's standard output."""
    reader, stream, total = FrameReader(), MessageStream(), 0
    process = start(python, "frames", count, {"stdio": "stdout", FRAMES_PARAM: True})
    while data := process.stdout.read(65536):
        lines, _ = reader.feed(data)
        total += sum(m.method == "log" for line in lines for m in stream.feed(line))
    process.wait()
    assert stream.defects() == []
    return total


def start(python: Path, kind: str, count: int, params: dict[str, object]) -> subprocess.Popen:
    """Start the process that writes."""
    return subprocess.Popen(
        [python, "-c", WRITER, kind, str(count)],
        env={**os.environ, DAGSTER_PIPES_MESSAGES_ENV_VAR: encode_param(params)},
        stdout=subprocess.PIPE,
        bufsize=0,
    )


def main() -> None:
    """Let the channels take turns, and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kedro-python", type=Path, required=True)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--repetitions", type=int, default=7)
    options = parser.parse_args()
    channels = {"stock file": read_stock, "our file": read_file, "our frames": read_frames}
    times: dict[str, list[float]] = {name: [] for name in channels}
    for _ in range(options.repetitions):
        for name, read in channels.items():
            began_at = time.perf_counter()
            assert read(options.kedro_python, options.messages) == options.messages
            times[name].append(time.perf_counter() - began_at)
    medians = {name: statistics.median(each) for name, each in times.items()}
    for name, seconds in medians.items():
        print(
            f"{name:12} {options.messages / seconds:8,.0f} messages/s "
            f"({seconds:.2f} s; {min(times[name]):.2f} to {max(times[name]):.2f}), "
            f"{medians['stock file'] / seconds:.2f} times the stock file"
        )


if __name__ == "__main__":
    main()
