"""Write the JSON Schemas of the manifest and of dagster.yml to docs/reference.

Usage: .venv/dagster/bin/python tools/write_schemas.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from kedro_manifest.model import Manifest
from kedro_manifest.orchestration.schema import dagster_yml_schema

FOLDER = Path(__file__).parents[1] / "docs/reference"


def main() -> None:
    """Write every schema that the documentation publishes."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    _write("manifest.schema.json", msgspec.json.schema(Manifest), order="sorted")
    _write("dagster.schema.json", dagster_yml_schema())


def _write(name: str, schema: dict[str, Any], order: Any = None) -> None:
    path = FOLDER / name
    path.write_bytes(
        msgspec.json.format(msgspec.json.encode(schema, order=order), indent=2) + b"\n"
    )
    print(f"Wrote {path}")


if __name__ == "__main__":
    main()
