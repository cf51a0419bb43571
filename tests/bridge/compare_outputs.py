"""Compare what two runs of one project saved, by value. Run by the Kedro environment.

    python compare_outputs.py PROJECT_A PROJECT_B [ENV]

Prints a JSON object: `compared` names each dataset, `different` names those that differ.
"""

import json
import math
import sys
from pathlib import Path

import pandas as pd
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

RELATIVE_TOLERANCE = 1e-9


def saved_data(project: Path, env: str | None) -> dict:
    """Load everything that the nodes of a project saved."""
    bootstrap_project(project)
    with KedroSession.create(project_path=project, env=env) as session:
        catalog = session.load_context().catalog
        loaded = {}
        for name in sorted(pipelines["__default__"].all_outputs()):
            dataset = catalog.get(name)
            if dataset is not None and type(dataset).__name__ != "MemoryDataset":
                loaded[name] = data_of(dataset)
        return loaded


def data_of(dataset):
    """Load a dataset; the bytes of one that can only be written."""
    try:
        data = dataset.load()
    except Exception:  # noqa: BLE001 - a plot cannot be loaded
        return Path(dataset._filepath).read_bytes()
    if isinstance(data, dict):
        return {key: part() if callable(part) else part for key, part in data.items()}
    return data


def same(left, right) -> bool:
    """Tell whether two values are equal; numbers to a billionth."""
    if isinstance(left, pd.DataFrame):
        return left.equals(right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float):
        return math.isclose(left, right, rel_tol=RELATIVE_TOLERANCE, abs_tol=RELATIVE_TOLERANCE)
    if hasattr(left, "get_params"):  # A fitted model: its predictions are compared besides.
        return repr(left) == repr(right)
    return left == right


def main(first: str, second: str, env: str | None = None) -> None:
    """Compare and print."""
    left, right = (saved_data(Path(each).resolve(), env) for each in (first, second))
    different = [name for name in left if not same(left[name], right.get(name))]
    sys.stdout.write(json.dumps({"compared": sorted(left), "different": different}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
