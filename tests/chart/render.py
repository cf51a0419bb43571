"""Lint and render the chart with the real Helm library, in an environment that has it.

    python render.py CHART < values.json    prints {"lint": […], "files": {PATH: TEXT}} or {"error": …}

Helm's library is for a Python of its own (see `make test-chart`), so that this runs as a program.
"""

from __future__ import annotations

import json
import sys

import helm_python as helm


def main(path: str, values: dict) -> dict:
    """Return what Helm makes of the chart with some values."""
    report = helm.lint(path, values, strict=True)
    found = [
        *report["errors"],
        *(each["error"] for each in report["messages"] if each["severity"] > 1),
    ]
    try:
        chart = helm.Chart.load(path)
        chart.validate_schema(values)
        files = chart.render(values, name="flights", namespace="data", is_install=True)
    except helm.HelmError as error:
        return {"lint": found, "error": str(error)}
    return {"lint": found, "files": files}


if __name__ == "__main__":
    json.dump(main(sys.argv[1], json.load(sys.stdin)), sys.stdout)
