"""Write a synthetic Kedro project: N nodes in P pipelines, with light text and JSON datasets.

Usage: python tests/benchmarks/synthetic_project.py FOLDER --nodes 2000 --pipelines 20
"""

from __future__ import annotations

import argparse
from pathlib import Path

PYPROJECT = """\
[tool.kedro]
package_name = "synthetic"
project_name = "Synthetic"
kedro_init_version = "1.7.0"
"""

REGISTRY = '''\
"""The registered pipelines."""

from importlib import import_module

PIPELINES = {count}


def register_pipelines():
    """Return every pipeline, and all of them as the default."""
    names = [f"part_{{number:03}}" for number in range(PIPELINES)]
    parts = {{
        name: import_module(f"synthetic.pipelines.{{name}}").create_pipeline() for name in names
    }}
    return {{**parts, "__default__": sum(parts.values())}}
'''

HEADER = '''\
"""Nodes {first} to {last}: a chain, each node with a function of its own."""

from kedro.pipeline import node, pipeline
'''

FUNCTION = '''

def step_{number:05}(data, factor):
    """Count one step, number {number}, on top of what came in."""
    return {{"step": {number}, "factor": factor, "before": data}}
'''

NODE = '    node(step_{number:05}, ["{before}", "params:factor"], "{after}", name="step_{number:05}"),\n'

FACTORIES = """\
"{part}_text_{number}":
  type: text.TextDataset
  filepath: data/{part}/{number}.txt

"{part}_json_{number}":
  type: json.JSONDataset
  filepath: data/{part}/{number}.json
  metadata:
    kedro-viz:
      layer: primary
"""

ENTRY = """\
{name}:
  type: json.JSONDataset
  filepath: data/{name}.json
"""


def write_project(folder: Path, nodes: int, pipelines: int, *, explicit: int = 0) -> None:
    """Write the project.

    Args:
        folder: Where `pyproject.toml` will be; made if it is not there.
        nodes: Nodes in all; every tenth hands its result over in memory.
        pipelines: Registered pipelines besides `__default__`.
        explicit: Datasets with a catalog entry of their own; factories resolve the others.
    """
    package = folder / "src/synthetic"
    for part in (package / "pipelines", folder / "conf/base", folder / "conf/local"):
        part.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    for init in (package, package / "pipelines"):
        (init / "__init__.py").write_text('"""Written by synthetic_project.py."""\n')
    (package / "settings.py").write_text('"""Kedro\'s defaults."""\n')
    (package / "pipeline_registry.py").write_text(REGISTRY.format(count=pipelines))
    (folder / "conf/base/parameters.yml").write_text("factor: 2\n")
    for part in range(pipelines):
        numbers = range(part * nodes // pipelines, (part + 1) * nodes // pipelines)
        (package / f"pipelines/part_{part:03}.py").write_text(_module(part, numbers))
    entries = "".join(
        ENTRY.format(name=_dataset_of(number, nodes, pipelines)) for number in range(explicit)
    )
    (folder / "conf/base/catalog.yml").write_text(FACTORIES + entries)


def _module(part: int, numbers: range) -> str:
    text = HEADER.format(first=numbers[0], last=numbers[-1])
    text += "".join(FUNCTION.format(number=number) for number in numbers)
    text += '\n\ndef create_pipeline():\n    """Return the chain."""\n    return pipeline(NODES)\n'
    text += "\n\nNODES = [\n"
    before = f"part{part:03}_json_input"
    for number in numbers:
        after = _dataset(part, number)
        text += NODE.format(number=number, before=before, after=after)
        before = after
    return text + "]\n"


def _dataset(part: int, number: int) -> str:
    kind = "memory" if number % 10 == 9 else "json_out"
    return f"part{part:03}_{kind}_{number:05}"


def _dataset_of(number: int, nodes: int, pipelines: int) -> str:
    part = next(p for p in range(pipelines) if number < (p + 1) * nodes // pipelines)
    return _dataset(part, number)


def main() -> None:
    """Write a project from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nodes", type=int, default=2000)
    parser.add_argument("--pipelines", type=int, default=20)
    parser.add_argument("--explicit", type=int, default=0)
    options = parser.parse_args()
    write_project(options.folder, options.nodes, options.pipelines, explicit=options.explicit)
    print(f"Wrote {options.folder}: {options.nodes} nodes in {options.pipelines} pipelines")


if __name__ == "__main__":
    main()
