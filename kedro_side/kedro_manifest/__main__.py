"""`python -m kedro_manifest`: what is installed here, as JSON for the other side."""

from __future__ import annotations

import sys

import msgspec

from kedro_manifest.installed import installed_here

if __name__ == "__main__":
    sys.stdout.write(msgspec.json.encode(installed_here()).decode() + "\n")
