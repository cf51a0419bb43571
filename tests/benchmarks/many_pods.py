"""Measure what pods cost the one step that starts them all, and the Kubernetes API.

    python tests/benchmarks/many_pods.py --kedro-python .venv/kedro/bin/python [--pods 50 300]

A project of that many nodes beside each other, each a group, all at once. The step is a real one, in a
process of its own, and so are its requests. The API is the double of tests/bridge, whose pods are no
processes here: they wait until all of them run, and `--waiting-s` longer, and then report what they
were to save. Prints a table; asserts only that the run succeeds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import dagster as dg
from dagster_kedro import KedroPipesResource, KedroProject, build_definitions
from dagster_kedro.clients.kubernetes import KedroK8sClient
from measuring import run_silently
from pods_double import Double, running_double
from workloads import write_trivial_project

RUNNING_WITHIN_S = 600
SETTLE_S = 5
SAMPLE_S = 1.0
POLL_S = 0.2


class Sample(NamedTuple):
    """What a process has taken by some time."""

    at_s: float
    cpu_s: float
    memory_mb: float
    threads: int


class Figures(NamedTuple):
    """What one step has taken."""

    pods: int
    running_s: float
    """From its first request until all pods run."""
    ending_s: float
    """From their end until its own."""
    calls: Counter[str]
    highest_rate: float
    """Requests in its busiest second."""
    waiting: tuple[Sample, Sample]
    """While all pods run: at the beginning and at the end."""

    @property
    def busy(self) -> float:
        """Processor time while it waits, as a part of one processor."""
        first, last = self.waiting
        return (last.cpu_s - first.cpu_s) / (last.at_s - first.at_s)


class Step:
    """A step that starts some pods, in a process of its own.

    Args:
        project: The project.
        api: Where the pods are.
        output: Takes what it prints.
    """

    def __init__(self, project: Path, api: Double, output: Path) -> None:
        self._output = output
        self._api = api
        self._seen = (time.monotonic(), api.calls().total())
        self.highest_rate = 0.0
        command = [sys.executable, __file__, "--step", str(project), str(api.kubeconfig)]
        with output.open("w") as opened:
            self._process = subprocess.Popen(command, stdout=opened, stderr=subprocess.STDOUT)

    def runs(self) -> bool:
        """Tell whether it runs, and take a sample of its requests; exits if it has failed."""
        at_s, count = self._seen
        if (took_s := time.monotonic() - at_s) >= SAMPLE_S:
            total = self._api.calls().total()
            self.highest_rate = max(self.highest_rate, (total - count) / took_s)
            self._seen = (at_s + took_s, total)
        if self._process.poll():
            sys.exit(f"{self._output.read_text()[-10_000:]}\nThe step has failed.")
        return self._process.returncode is None

    def sample(self) -> Sample:
        """Return what it has taken."""
        folder = Path("/proc", str(self._process.pid))
        times = (folder / "stat").read_text().rpartition(")")[2].split()
        lines = (folder / "status").read_text().splitlines()
        status = dict(line.split(":", 1) for line in lines)
        return Sample(
            time.monotonic(),
            (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK"),
            int(status["VmRSS"].split()[0]) / 1024,
            int(status["Threads"]),
        )

    def wait(self, seconds: float) -> None:
        """Let it run for some time."""
        until = time.monotonic() + seconds
        while self.runs() and time.monotonic() < until:
            time.sleep(POLL_S)

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def main() -> None:
    """Measure one step after another; print what each has taken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kedro-python", type=Path, default=Path(".venv/kedro/bin/python"))
    parser.add_argument("--pods", type=int, nargs="+", default=[50, 300])
    parser.add_argument("--waiting-s", type=float, default=30)
    parser.add_argument("--step", type=Path, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        sys.exit(run_step(*options.step))
    python = options.kedro_python.absolute()
    report([measure(pods, python, options.waiting_s) for pods in options.pods])


def run_step(project: Path, kubeconfig: Path) -> int:
    """Run all nodes of a project in one step; return 0 if it succeeds."""
    client = KedroK8sClient(image="idle", kubeconfig=str(kubeconfig))
    resource = KedroPipesResource(client=client, max_concurrent=10_000)
    definitions = build_definitions(KedroProject(project), step_per="selection", resource=resource)
    job = definitions.resolve_job_def("__default__")
    with dg.DagsterInstance.ephemeral() as instance:
        return 0 if job.execute_in_process(instance=instance).success else 1


def measure(pods: int, python: Path, waiting_s: float) -> Figures:
    """Run one step that starts some pods, and take its figures meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        project = Path(name, "trivial")
        write_trivial_project(project, pods, "fan_out")
        run_silently([str(python), "-m", "kedro_pipes", "export"], project)
        with running_double(Path(name), "--idle") as api:
            step = Step(project, api, Path(name, "output"))
            try:
                return follow(step, pods, api, waiting_s)
            finally:
                step.kill()


def follow(step: Step, pods: int, api: Double, waiting_s: float) -> Figures:
    """Take the figures of a step, until it has ended."""
    while not api.calls():
        step.wait(0)
    began_s = time.monotonic()
    while api.count_running() < pods:
        step.wait(POLL_S)
        if time.monotonic() - began_s > RUNNING_WITHIN_S:
            sys.exit(f"Only {api.count_running()} of {pods} pods run.")
    running_s = time.monotonic() - began_s
    step.wait(SETTLE_S)  # until all logs are open, and all leases kept
    first = step.sample()
    step.wait(waiting_s)
    waiting = first, step.sample()
    released_s = time.monotonic()
    api.ask("release")
    while step.runs():
        time.sleep(POLL_S)
    ending_s = time.monotonic() - released_s
    return Figures(pods, running_s, ending_s, api.calls(), step.highest_rate, waiting)


def report(found: list[Figures]) -> None:
    """Print a table of all steps, and what one pod more costs."""
    print("| What | " + " | ".join(f"{each.pods} pods" for each in found) + " |")
    print("| --- " * (len(found) + 1) + "|")
    rows = {
        "until all run, s": [f"{each.running_s:.1f}" for each in found],
        "from their end to the step's, s": [f"{each.ending_s:.1f}" for each in found],
        "requests, highest in a second": [f"{each.highest_rate:.0f}" for each in found],
        "memory of the step while they wait, MB": [
            f"{each.waiting[1].memory_mb:.0f}" for each in found
        ],
        "threads": [f"{each.waiting[1].threads}" for each in found],
        "processor while they wait, % of one": [f"{each.busy * 100:.1f}" for each in found],
    }
    kinds = sorted({kind for each in found for kind in each.calls})
    rows |= {f"`{kind}`": [f"{each.calls[kind]}" for each in found] for kind in kinds}
    for name, cells in rows.items():
        print(f"| {name} | " + " | ".join(cells) + " |")
    first, last = found[0], found[-1]
    if (more := last.pods - first.pods) > 0:
        memory_mb = (last.waiting[1].memory_mb - first.waiting[1].memory_mb) / more
        threads = (last.waiting[1].threads - first.waiting[1].threads) / more
        busy = (last.busy - first.busy) / more
        print(
            f"\nOne pod more that waits: {memory_mb:.2f} MB, {threads:.1f} threads, "
            f"{busy * 100:.3f} % of a processor."
        )


if __name__ == "__main__":
    main()
