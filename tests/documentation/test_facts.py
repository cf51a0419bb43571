"""What pages say of ourselves in figures is so."""

import re
from importlib.metadata import metadata

from kedro_manifest import __version__
from kedro_manifest.invocation import PROTOCOL_VERSION
from kedro_manifest.model import FORMAT_VERSION
from pages import REPOSITORY

PAGE = REPOSITORY / "docs/explanation/weaknesses.md"
ROW = re.compile(r"^\| .+ \| (.*\*\*.+) \| \[.+\]\((.+\.md)#.+\) \|$", re.MULTILINE)


def test_weaknesses():
    """Each figure in bold stands on the page that its row links to."""
    rows = ROW.findall(PAGE.read_text())
    figures = [
        (figure, (PAGE.parent / link).read_text())
        for said, link in rows
        for figure in re.findall(r"\*\*(.+?)\*\*", said)
    ]

    assert len(figures) >= 10
    assert [] == [figure for figure, page in figures if figure.strip("*") not in page]


def test_versions():
    """The page on upgrades has today's versions of package, manifest and protocol."""
    page = (REPOSITORY / "docs/how-to/upgrade.md").read_text()
    told = re.findall(r"^\| the .+ \| .+ \| (\d[\d.]+) \|", page, re.MULTILINE)

    assert [__version__, FORMAT_VERSION, PROTOCOL_VERSION] == told


def test_dependencies():
    """Each runtime dependency has a row with its reasons; see docs/decisions/024-dependencies.md."""
    page = (REPOSITORY / "docs/decisions/024-dependencies.md").read_text()
    rows = re.findall(r"^\| (`.+?`) \|", page, re.MULTILINE)
    named = {name.strip("`") for row in rows for name in row.split(", ")}
    package = metadata("kedro-dagster-pipes")
    needed = {
        re.match(r"[\w-]+", each).group()
        for each in package.get_all("Requires-Dist")
        if not re.search(r"extra == .(dev|docs|screenshots)", each)
    }

    assert needed - {"kedro-dagster-pipes"} == named


def test_matrix():
    """The page of versions has a row for each Python that we name, and for each lower bound."""
    page = (REPOSITORY / "docs/reference/supported-versions.md").read_text()
    package = metadata("kedro-dagster-pipes")
    named = [each.rpartition(" :: ")[2] for each in package.get_all("Classifier")]
    bounds = re.findall(
        r"^(kedro|dagster)[<>=,\d.]*>=([\d.]+)",
        "\n".join(package.get_all("Requires-Dist")),
        re.MULTILINE,
    )

    rows = re.findall(r"^\| (\w+-[\w.]+) \|", page, re.MULTILINE)
    pythons = [f"python-{each}" for each in named if re.fullmatch(r"3\.\d+", each)]
    assert pythons == [each for each in rows if each.startswith("python-")]
    assert 2 == len(bounds)
    assert {f"{name}-{version}" for name, version in bounds} <= set(rows)
