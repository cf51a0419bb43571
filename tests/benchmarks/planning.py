"""Measure how planning grows: 500 to 10,000 nodes, four edges a node, some data in memory.

Usage: python tests/benchmarks/planning.py [--repeat 5]

Prints the best time of whole plans, from a decoded manifest on: graph, labels, groups. Exits with 1
if 5,000 nodes take a second or more.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from kedro_manifest.model import Dataset, Manifest, Node, Pipeline, Project
from kedro_manifest.planning.graph import PipelineGraph
from kedro_manifest.planning.grouping import GroupPolicy
from kedro_manifest.planning.plan import plan_groups
from kedro_manifest.planning.selection import NodeFilter, filter_nodes, needed_nodes

SIZES = [500, 1000, 2000, 5000, 10_000]
EDGES = 4
LIMIT_NODES, LIMIT_S = 5000, 1.0
POLICIES = {
    "node": GroupPolicy(),
    "node, staged": GroupPolicy(memory_datasets="stage"),
    "tag": GroupPolicy(strategy="tag"),
    "namespace": GroupPolicy(strategy="namespace"),
}


def make_manifest(size: int, seed: int = 1) -> Manifest:
    """Return a layered DAG: each node reads four datasets of the 200 before it, some in memory."""
    chance = random.Random(seed)
    nodes = [
        Node(
            name=f"n{number:05}",
            function="m:f",
            inputs=sorted(
                {f"d{chance.randrange(max(0, number - 200), number):05}" for _ in range(EDGES)}
                if number >= EDGES
                else ()
            ),
            outputs=[f"d{number:05}"],
            tags=[f"group.{number // 50}"],
            namespace=f"part{number // 100}",
        )
        for number in range(size)
    ]
    return Manifest(
        project=Project(name="p", package_name="p", kedro_version="1", python_version="3.11"),
        pipelines=[Pipeline(name="__default__", nodes=[node.name for node in nodes])],
        nodes=nodes,
        datasets=[
            Dataset(name=f"d{number:05}", type="T", kind="memory" if number % 97 == 0 else "file")
            for number in range(size)
        ],
    )


def measure(manifest: Manifest, policy: GroupPolicy, repeat: int) -> tuple[float, int]:
    """Return the best of seconds, and how many groups came of it."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        graph = PipelineGraph(manifest)
        selected = filter_nodes(graph, NodeFilter())
        plan = plan_groups(graph, needed_nodes(graph, nodes=selected), policy)
        times.append(time.perf_counter() - start)
    return min(times), len(plan.groups)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    print(f"{'nodes':>6} {'edges':>7}" + "".join(f" {name:>20}" for name in POLICIES))
    slow = False
    for size in SIZES:
        manifest = make_manifest(size)
        edges = sum(map(len, PipelineGraph(manifest).predecessors.values()))
        cells = ""
        for policy in POLICIES.values():
            seconds, groups = measure(manifest, policy, repeat)
            slow |= size == LIMIT_NODES and seconds >= LIMIT_S
            cells += f" {f'{seconds:.3f} s ({groups})':>20}"
        print(f"{size:>6} {edges:>7}{cells}", flush=True)
    print("In brackets: groups.")
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
