"""docs/reference/errors.md and the code list the same errors, and tests provoke each of them."""

import ast
import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
ROOTS = {"KedroPipesError", "ManifestError"}
"""Are caught, and never raised themselves."""
ROW = re.compile(r"^\| `(\w+)` \| .+ \| .+ \|$", re.MULTILINE)
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

    assert defined == set(ROW.findall(page))


def test_every_error_is_provoked():
    """Each documented error is expected by name in a test; a mere import does not count."""
    page = (REPOSITORY / "docs/reference/errors.md").read_text()
    expected = {
        name
        for module in (REPOSITORY / "tests").rglob("test_*.py")
        if module != Path(__file__)
        for name in _names_in(ast.parse(module.read_text()))
    }

    assert set() == set(ROW.findall(page)) - expected - ROOTS


def _names_in(tree):
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) in docstrings:
                continue
            yield from re.findall(r"\w+Error\b", node.value)
