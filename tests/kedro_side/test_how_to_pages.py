"""What the how-to pages and the one on hooks show of a `dagster.yml`, read as the exporter reads a project's own."""

import re
from pathlib import Path

import pytest
import yaml
from kedro.config import OmegaConfigLoader
from kedro_manifest.orchestration.root import read_orchestration
from kedro_pipes.project.orchestration_file import find_ineffective, make_public, read_file

DOCUMENTATION = Path(__file__).parents[2] / "docs"
PAGES = [*sorted((DOCUMENTATION / "how-to").glob("*.md")), DOCUMENTATION / "explanation/hooks.md"]
OF_OTHER_FILES = re.compile(r"# (?!\S*dagster\.yml)\S+\.ya?ml\b|type: dagster_kedro\.")
"""How a snippet begins that is no `dagster.yml`."""
FENCED = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
SNIPPETS = [
    pytest.param(snippet, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, snippet in enumerate(FENCED.findall(page.read_text(encoding="utf-8")))
    if not OF_OTHER_FILES.match(snippet)
]


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_snippets(tmp_path, snippet):
    """Every key is there, every value is of its type, and nothing is left out as a secret."""
    for environment in ("base", "local"):
        (tmp_path / environment).mkdir()
    (tmp_path / "base/dagster.yml").write_text(snippet)
    (tmp_path / "base/globals.yml").write_text("lake: s3://lake\n")  # of use-object-stores.md
    loader = OmegaConfigLoader(str(tmp_path), base_env="base", default_run_env="local")
    content = read_file(loader)
    public = make_public(content)

    assert content
    assert read_orchestration(public)
    assert [] == list(find_ineffective(content, public))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_other_files(page):
    """What is no `dagster.yml` says by its first line what it is, and holds entries by name."""
    others = filter(OF_OTHER_FILES.match, FENCED.findall(page.read_text(encoding="utf-8")))

    assert all(isinstance(yaml.safe_load(snippet), dict) for snippet in others)


def test_object_stores():
    """The files that the page shows are those of the project that is run against a server."""
    page = (PAGES[0].parent / "use-object-stores.md").read_text(encoding="utf-8")
    project = Path(__file__).parents[1] / "projects/buckets"
    shown = {snippet.partition("\n")[0][2:]: snippet for snippet in FENCED.findall(page)}

    assert {"catalog", "globals", "credentials", "dagster"} == {Path(name).stem for name in shown}
    for name, snippet in shown.items():
        entries = yaml.safe_load(snippet)
        content = yaml.safe_load((project / name).read_text(encoding="utf-8"))

        assert entries == {key: content[key] for key in entries}


def test_pages_with_snippets():
    """The expression above finds them."""
    found = {str(snippet.id).rpartition("-")[0] for snippet in SNIPPETS}

    assert {
        "automate",
        "group-nodes",
        "jobs-and-schedules",
        "partition-data",
        "place-workers",
    } <= found
