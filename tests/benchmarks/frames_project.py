"""Write a Kedro project of two nodes with a large DataFrame between them.

What crosses is random numbers, so that nothing can be compressed. Knows neither Dagster nor who runs
what it writes.
"""

from __future__ import annotations

from pathlib import Path

COLUMNS = 8
BYTES_PER_NUMBER = 8
PYPROJECT = """\
[tool.kedro]
package_name = "frames"
project_name = "Frames"
kedro_init_version = "1.7.0"
"""
SUMS = """\
sums:
  type: json.JSONDataset
  filepath: data/sums.json
"""
SAVED = """\
frame:
  type: pandas.ParquetDataset
  filepath: data/frame.parquet
"""
REGISTRY = '''\
"""The pipeline."""

import numpy as np
import pandas as pd
from kedro.pipeline import node, pipeline


def make():
    numbers = np.random.default_rng(1).random(({rows}, {columns}))
    return pd.DataFrame(numbers, columns=[f"c{{number}}" for number in range({columns})])


def add(frame):
    return frame.sum().to_dict()


def register_pipelines():
    nodes = [node(make, None, "frame", name="make"), node(add, "frame", "sums", name="add")]
    return {{"__default__": pipeline(nodes)}}
'''


def write_frames_project(folder: Path, megabytes: int, *, is_saved: bool) -> None:
    """Write the project into a new folder.

    Args:
        folder: Where `pyproject.toml` will be.
        megabytes: Size of the DataFrame in memory, in units of 10^6 bytes.
        is_saved: Whether the catalog has an entry for it; else it crosses in memory.
    """
    package = folder / "src/frames"
    for each in (package, folder / "conf/base", folder / "conf/local", folder / "data"):
        each.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "conf/base/catalog.yml").write_text(SUMS + (SAVED if is_saved else ""))
    (package / "__init__.py").touch()
    (package / "settings.py").touch()
    rows = megabytes * 10**6 // (COLUMNS * BYTES_PER_NUMBER)
    registry = REGISTRY.format(rows=rows, columns=COLUMNS)
    (package / "pipeline_registry.py").write_text(registry)
