"""docs/reference/errors.md and the code list the same errors."""

import ast
import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
MODULES = ["kedro_side/kedro_manifest/errors.py", "orchestrator/dagster_kedro/errors.py"]


def test_every_error_is_documented():
    """Every error class stands on the page with cause and cure, and no other does."""
    defined = {
        node.name
        for module in MODULES
        for node in ast.parse((REPOSITORY / module).read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    page = (REPOSITORY / "docs/reference/errors.md").read_text()

    assert defined == set(re.findall(r"^\| `(\w+)` \| .+ \| .+ \|$", page, re.MULTILINE))
