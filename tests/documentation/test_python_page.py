"""docs/reference/python.md has every public name, and each says what it is."""

import inspect
import pydoc
import re

import dagster_kedro
import pytest
from kedro_pipes import report
from pages import REPOSITORY

PAGE = REPOSITORY / "docs/reference/python.md"
NAMES = re.findall(r"^::: (\S+)$", PAGE.read_text(), re.MULTILINE)
EXPORTED = {
    f"{module.__name__}.{name}" for module in (dagster_kedro, report) for name in module.__all__
}


def test_public_names():
    """What the packages export is on the page; what is there besides names its module."""
    besides = set(NAMES) - EXPORTED

    assert set() == EXPORTED - set(NAMES)
    assert all(".clients." in name or ".codec." in name for name in besides)


@pytest.mark.parametrize("name", NAMES)
def test_docstrings(name):
    """It has a docstring of its own, and so has each public member that it defines."""
    what = pydoc.locate(name)
    members = vars(what).items() if inspect.isclass(what) else []
    public = [
        member
        for member, value in members
        if not member.startswith(("_", "model_"))
        and (inspect.isroutine(value) or isinstance(value, property))
    ]

    assert what.__doc__
    assert [] == [member for member in public if not inspect.getdoc(getattr(what, member))]
