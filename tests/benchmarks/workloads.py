"""Write the Kedro projects that benchmarks run: trivial nodes in a chain or a fan, asleep or not.

Every dataset is a small JSON file, so that each node can be a process of its own and any peer can
run the project as it is. Knows neither Dagster nor who runs what it writes.

Usage: python tests/benchmarks/workloads.py FOLDER --shape chain --nodes 100
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Literal, get_args

Shape = Literal["chain", "fan_out"]

PACKAGE = "trivial"
PYPROJECT = f"""\
[tool.kedro]
package_name = "{PACKAGE}"
project_name = "Trivial"
kedro_init_version = "1.7.0"
"""
CATALOG = """\
"d{number}":
  type: json.JSONDataset
  filepath: data/d{number}.json
"""
NODES = '''\
"""What the nodes do: next to nothing."""

import time

ASLEEP_S = {asleep_s!r}


def step(before):
    if ASLEEP_S:
        time.sleep(ASLEEP_S)
    return {{"steps": before["steps"] + 1}}
'''
REGISTRY = '''\
"""The pipeline: {nodes} nodes, each with one input and one output."""

from kedro.pipeline import node, pipeline

from {package}.nodes import step

EDGES = {edges}


def register_pipelines():
    nodes = [node(step, before, after, name=f"make_{{after}}") for before, after in EDGES]
    return {{"__default__": pipeline(nodes)}}
'''
EDGES: dict[Shape, str] = {
    "chain": '[(f"d{{number:04}}", f"d{{number + 1:04}}") for number in range({nodes})]',
    "fan_out": '[("d0000", f"d{{number + 1:04}}") for number in range({nodes})]',
}


def write_trivial_project(
    folder: Path, nodes: int, shape: Shape = "chain", *, asleep_s: float = 0
) -> None:
    """Write a project of nodes that do next to nothing, and its one free input `d0000`.

    Args:
        folder: Where `pyproject.toml` will be; must not be there yet.
        nodes: How many.
        shape: A chain, each node reading what the one before has saved; or a fan, all reading
            the same.
        asleep_s: How long each node sleeps.
    """
    package = folder / "src" / PACKAGE
    for each in (package, folder / "conf/base", folder / "conf/local", folder / "data"):
        each.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "conf/base/catalog.yml").write_text(CATALOG)
    (folder / "data/d0000.json").write_text('{"steps": 0}')
    (folder / "conf/base/parameters.yml").write_text("{}\n")
    (package / "__init__.py").touch()
    (package / "settings.py").touch()
    (package / "nodes.py").write_text(NODES.format(asleep_s=asleep_s))
    edges = EDGES[shape].format(nodes=nodes)
    registry = REGISTRY.format(nodes=nodes, package=PACKAGE, edges=edges)
    (package / "pipeline_registry.py").write_text(registry)


DEFINITIONS = """\
from dagster_kedro import (
    KedroPipesResource,
    KedroProject,
    KedroSubprocessClient,
    build_definitions,
)

defs = build_definitions(
    KedroProject({project!r}, python={python!r}, env={env!r}),
    step_per={step_per!r},
    resource=KedroPipesResource(
        client=KedroSubprocessClient(start={start!r}), max_concurrent={max_concurrent!r}
    ),
)
"""


def write_definitions(
    file: Path,
    python: Path,
    *,
    env: str | None = None,
    start: Literal["cold", "warm"] = "cold",
    step_per: str | None = None,
    max_concurrent: int | None = None,
) -> None:
    """Write the code location of the project that `file` is in, to be run by our own side.

    Args:
        file: What `dagster -f` gets.
        python: Interpreter of the Kedro environment.
        env: Kedro's environment.
        start: How workers start.
        step_per: See `build_definitions`.
        max_concurrent: Workers at a time; None for one a core.
    """
    text = DEFINITIONS.format(
        project=str(file.parent),
        python=str(python),
        env=env,
        start=start,
        step_per=step_per,
        max_concurrent=max_concurrent,
    )
    file.write_text(text)


def main() -> None:
    """Write a project from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shape", choices=get_args(Shape), default="chain")
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--asleep-s", type=float, default=0)
    options = parser.parse_args()
    write_trivial_project(options.folder, options.nodes, options.shape, asleep_s=options.asleep_s)
    print(f"Wrote {options.folder}: {options.shape} of {options.nodes} nodes")


if __name__ == "__main__":
    main()
