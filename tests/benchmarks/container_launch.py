"""Measure what starting a container costs, beside Dagster's `PipesDockerClient`.

    python tests/benchmarks/container_launch.py IMAGE [--pairs 15]

One run of one step starts the same Pipes program through both clients in turn. The stock client
leaves its container, ours has it removed while the next one starts, so the stock one is measured
once more with a removal after it. Needs a Docker engine and an image with `dagster-pipes`; prints medians, asserts nothing.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import dagster as dg
from dagster_docker import PipesDockerClient
from dagster_kedro import KedroPipesResource
from dagster_kedro.clients.docker import KedroDockerClient

import docker

PROGRAM = """
from dagster_pipes import open_dagster_pipes
with open_dagster_pipes() as pipes:
    pipes.report_asset_materialization(metadata={"rows": 3})
"""
COMMAND = ["python", "-c", PROGRAM]
LABEL = "kedro-pipes-benchmark"


class Launches:
    """Starts the program once, through one client or the other."""

    def __init__(self, context: dg.AssetExecutionContext, image: str) -> None:
        self._context = context
        self._image = image
        self._stock = PipesDockerClient()
        self._engine = docker.from_env()
        self._attempts = 0

    def ours(self, kedro: KedroPipesResource) -> None:
        """Through `KedroDockerClient`, which removes its container."""
        # An attempt of its own, or it would wait for the name of the one before.
        self._attempts += 1
        extras = {"kedro_pipes": {"kedro_run_id": str(self._attempts)}}
        results = list(kedro.run_program(self._context, COMMAND, extras=extras))
        assert len(results) == 1, results

    def stock(self) -> None:
        """Through Dagster's own client."""
        done = self._stock.run(
            context=self._context,
            image=self._image,
            command=COMMAND,
            container_kwargs={"labels": {LABEL: ""}},
        )
        assert len(done.get_results()) == 1

    def stock_removed(self) -> None:
        """Through Dagster's own client, and remove the container, which it does not."""
        self.stock()
        self.clear()

    def clear(self) -> None:
        """Remove what the stock client has left."""
        for container in self._engine.containers.list(all=True, filters={"label": LABEL}):
            container.remove()


def main() -> None:
    """Run pairs of launches in one step; print their times and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image")
    parser.add_argument("--pairs", type=int, default=15)
    options = parser.parse_args()

    @dg.asset
    def outcome(
        context: dg.AssetExecutionContext, kedro: KedroPipesResource
    ) -> dg.MaterializeResult:
        launches = Launches(context, options.image)

        def ours() -> None:
            launches.ours(kedro)

        for each in (ours, launches.stock_removed):  # what is slow but once
            each()
        rows = {"stock": launches.stock, "stock, and removed": launches.stock_removed}
        for name, beside in rows.items():
            report(name, take_pairs(ours, beside, launches.clear, options.pairs))
        return dg.MaterializeResult()

    client = KedroDockerClient(image=options.image)
    resources: dict[str, Any] = {"kedro": KedroPipesResource(client=client)}
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([outcome], resources=resources, instance=instance)


def take_pairs(
    ours: Callable[[], None], beside: Callable[[], None], clear: Callable[[], None], count: int
) -> list[tuple[float, float]]:
    """Return the seconds of launches through each client, each of them first in every other pair."""
    pairs = []
    for number in range(count):
        if number % 2:
            second = seconds_of(beside)
            clear()
            first = seconds_of(ours)
        else:
            first = seconds_of(ours)
            second = seconds_of(beside)
            clear()
        pairs.append((first, second))
    return pairs


def seconds_of(launch: Callable[[], None]) -> float:
    """Return how long a launch takes, to its end."""
    begun = time.perf_counter()
    launch()
    return time.perf_counter() - begun


def report(name: str, pairs: list[tuple[float, float]]) -> None:
    """Print one line of the table."""
    ours, beside = (statistics.median(each) for each in zip(*pairs, strict=True))
    ratios = sorted(first / second for first, second in pairs)
    print(
        f"ours / {name}: {ours:.3f} / {beside:.3f} s = {statistics.median(ratios):.2f} "
        f"({ratios[0]:.2f}-{ratios[-1]:.2f}), {len(pairs)} pairs",
        flush=True,
    )


if __name__ == "__main__":
    main()
