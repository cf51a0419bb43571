"""Measure how long a step takes to know of a pod's end, beside Dagster's `PipesK8sClient`.

    python tests/benchmarks/pod_latency.py IMAGE [--pairs 10]

One run of one step starts the same Pipes program through both clients in turn, as pods of the double of
tests/bridge, which are containers of the Docker engine here. Programs run from 0 to 10 s, which is how
often the stock client looks. When a container ended is what the engine says. Prints medians, with the
smallest and the largest value; asserts only that each program was heard.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
from dagster_k8s import PipesK8sClient
from dagster_kedro import KedroPipesResource
from dagster_kedro.clients.kubernetes import KedroK8sClient
from pods_double import NAMESPACE, running_double

import docker

PROGRAM = """
import sys, time
from dagster_pipes import open_dagster_pipes
with open_dagster_pipes() as pipes:
    time.sleep(float(sys.argv[1]))
    pipes.report_asset_materialization(metadata={"reported_at": time.time()})
"""
LONGEST_S = 10.0
OFTEN_S = 0.5


class Times(NamedTuple):
    """What one program took, in seconds."""

    to_event: float
    """From its report until the step can tell Dagster."""
    to_end: float
    """From the end of its container until the step knows."""
    besides: float
    """From its launch until the step goes on, without the time that it slept."""


class Endings:
    """When containers of the double have ended, as the engine tells."""

    def __init__(self) -> None:
        self._engine = docker.from_env()
        self._times: list[float] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        wanted = {"event": "die", "label": "kubernetes-double=pod"}
        for event in self._engine.events(decode=True, filters=wanted):
            self._times.append(event["timeNano"] / 1e9)

    def last_after(self, began_at: float) -> float:
        """Return when the one that was started after some time has ended."""
        deadline = time.monotonic() + 5
        while not self._times or self._times[-1] < began_at:
            if time.monotonic() > deadline:
                raise TimeoutError("The engine has told of no container's end.")
            time.sleep(0.01)
        return self._times[-1]


def main() -> None:
    """Run the program through each client in turn, in one step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", help="with `kedro-dagster-pipes[kedro]`")
    parser.add_argument("--pairs", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_double(Path(folder)) as api:
        compare(options.image, str(api.kubeconfig), options.pairs)


def compare(image: str, kubeconfig: str, pairs: int) -> None:
    """Run pairs of launches, and print what they took."""

    @dg.asset
    def outcome(
        context: dg.AssetExecutionContext, kedro: KedroPipesResource
    ) -> dg.MaterializeResult:
        launches = Launches(context, kedro, image, kubeconfig)
        rows: dict[str, Callable[[float], Times]] = {
            "`KedroK8sClient`": launches.ours,
            "`PipesK8sClient`": launches.stock,
            f"`PipesK8sClient(poll_interval={OFTEN_S})`": launches.stock_that_looks_often,
        }
        for each in rows.values():  # what is slow but once
            each(0)
        found: dict[str, list[Times]] = {name: [] for name in rows}
        for number in range(pairs):
            for name, launch in rows.items():
                found[name].append(launch(LONGEST_S * number / pairs))
        report(found)
        return dg.MaterializeResult()

    client = KedroK8sClient(image=image, kubeconfig=kubeconfig)
    resources: dict[str, Any] = {"kedro": KedroPipesResource(client=client)}
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([outcome], resources=resources, instance=instance)


class Launches:
    """Starts the program once, through one client or another.

    Args:
        context: The step's.
        kedro: Has our client.
        image: Of the program's container.
        kubeconfig: Says how the API is reached.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        kedro: KedroPipesResource,
        image: str,
        kubeconfig: str,
    ) -> None:
        self._context = context
        self._kedro = kedro
        self._image = image
        self._stock = PipesK8sClient(kubeconfig_file=kubeconfig)
        self._often = PipesK8sClient(kubeconfig_file=kubeconfig, poll_interval=OFTEN_S)
        self._endings = Endings()
        self._attempts = 0

    def ours(self, sleep_s: float) -> Times:
        """Through `KedroK8sClient`."""
        # An attempt of its own, or it would wait for the name of the one before.
        self._attempts += 1
        extras = {"kedro_pipes": {"kedro_run_id": str(self._attempts)}}
        command = _command(sleep_s)
        return self._timed(
            sleep_s, lambda: self._kedro.run_program(self._context, command, extras=extras)
        )

    def stock(self, sleep_s: float) -> Times:
        """Through Dagster's own client, as it comes."""
        return self._timed(sleep_s, lambda: self._run_stock(self._stock, sleep_s))

    def stock_that_looks_often(self, sleep_s: float) -> Times:
        """Through Dagster's own client, told to look more often."""
        return self._timed(sleep_s, lambda: self._run_stock(self._often, sleep_s))

    def _run_stock(self, client: PipesK8sClient, sleep_s: float) -> Any:
        done = client.run(
            context=self._context,
            image=self._image,
            command=_command(sleep_s),
            namespace=NAMESPACE,
        )
        return done.get_results()

    def _timed(self, sleep_s: float, launch: Callable[[], Any]) -> Times:
        began_at = time.time()
        heard = [(time.time(), result) for result in launch()]
        known_at = time.time()
        ((heard_at, result),) = heard
        return Times(
            to_event=heard_at - result.metadata["reported_at"].value,
            to_end=known_at - self._endings.last_after(began_at),
            besides=known_at - began_at - sleep_s,
        )


def _command(sleep_s: float) -> list[str]:
    return ["python", "-c", PROGRAM, str(sleep_s)]


def report(found: dict[str, list[Times]]) -> None:
    """Print the table."""
    print(
        "\n| Client | report to event, s | end of the container to the step, s | all besides the program, s |"
    )
    print("| --- | --- | --- | --- |")
    for name, times in found.items():
        cells = " | ".join(median_of(column) for column in zip(*times, strict=True))
        print(f"| {name} | {cells} |")
    print(f"\n{len(next(iter(found.values())))} of each, in turn.")


def median_of(values: tuple[float, ...]) -> str:
    """Return the median, the smallest and the largest of some values."""
    return f"**{statistics.median(values):.2f}** ({min(values):.2f}-{max(values):.2f})"


if __name__ == "__main__":
    main()
