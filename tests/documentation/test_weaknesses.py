"""What we say of our own weaknesses is what was measured."""

import re

from pages import REPOSITORY

PAGE = REPOSITORY / "docs/explanation/weaknesses.md"
ROW = re.compile(r"^\| .+ \| (.*\*\*.+) \| \[.+\]\((.+\.md)#.+\) \|$", re.MULTILINE)


def test_figures():
    """Each figure in bold stands on the page that its row links to."""
    rows = ROW.findall(PAGE.read_text())
    figures = [
        (figure, (PAGE.parent / link).read_text())
        for said, link in rows
        for figure in re.findall(r"\*\*(.+?)\*\*", said)
    ]

    assert len(figures) >= 10
    assert [] == [figure for figure, page in figures if figure.strip("*") not in page]
