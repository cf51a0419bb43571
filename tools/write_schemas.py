"""Write the JSON Schema of the manifest to docs/reference.

Usage: .venv/dagster/bin/python tools/write_schemas.py
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from kedro_manifest.model import Manifest

FOLDER = Path(__file__).parents[1] / "docs/reference"


def main() -> None:
    """Write every schema that the documentation publishes."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    schema = msgspec.json.encode(msgspec.json.schema(Manifest), order="sorted")
    path = FOLDER / "manifest.schema.json"
    path.write_bytes(msgspec.json.format(schema, indent=2) + b"\n")
    print(f"Wrote {path}")


if __name__ == "__main__":
    main()
