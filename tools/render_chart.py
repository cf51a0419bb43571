"""Render the Helm chart with Helm's own library, as `helm template` would.

Run by `make chart`, which renders the values in the chart's folder `ci`: writes a file for each to
`.build/chart`, and shows what is in it. Ends with 1 if Helm refuses something.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "helm/kedro-dagster-pipes"
TARGET = ROOT / ".build/chart"


def main() -> int:
    """Render each file of values that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("values", type=Path, nargs="*", help="default: those of the chart")
    parser.add_argument("--helm-python", type=Path, required=True)
    options = parser.parse_args()
    files = options.values or sorted((CHART / "ci").glob("*-values.yaml"))
    return max(render(file, options.helm_python) for file in files)


def render(values: Path, python: Path) -> int:
    """Render one file of values; return 0 if Helm takes it."""
    answer = json.loads(
        subprocess.run(
            [python, ROOT / "tests/chart/render.py", CHART],
            input=json.dumps(yaml.safe_load(values.read_text())),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    if said := [*answer["lint"], *filter(None, [answer.get("error")])]:
        print(f"{values}: {'; '.join(said)}", file=sys.stderr)
        return 1
    parts = {path: text for path, text in answer["files"].items() if path.endswith(".yaml")}
    text = "".join(
        f"---\n# {path}\n{part.strip()}\n" for path, part in parts.items() if part.strip()
    )
    file = TARGET / f"{values.stem.removesuffix('-values')}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    found = Counter(each["kind"] for each in yaml.safe_load_all(text) if each)
    shown = ", ".join(f"{count} {kind}" for kind, count in sorted(found.items()))
    print(f"{file.relative_to(ROOT)}: {found.total()} objects: {shown}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
