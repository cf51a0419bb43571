"""The site: what is here is built, and nothing that is broken."""

import os
import re
import shutil
import subprocess

import pytest
from pages import REPOSITORY

LISTED = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
"""Not what others are writing in the meantime."""


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of the repository that shares its environments."""
    folder = tmp_path_factory.mktemp("clone") / "site"
    listed = subprocess.run(LISTED, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, folder / name, follow_symlinks=False)
    (folder / ".venv").symlink_to(REPOSITORY / ".venv")
    return folder


def build(clone):
    """Do as `make docs` does, which would install the clone in the environments that it shares."""
    return subprocess.run(
        [REPOSITORY / ".venv/docs/bin/mkdocs", "build"],
        cwd=clone,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_nothing_is_fetched(clone):
    """A reader's browser loads no script, font, style or picture from elsewhere."""
    built = build(clone)
    pages = list((clone / ".build/site").rglob("*.html"))
    loaded = re.compile(r"<(?:script|img|iframe)[^>]* src=\"?https?:|<link[^>]* href=\"?https?:")

    assert 0 == built.returncode, built.stderr
    assert len(pages) > 50
    assert [] == [page.name for page in pages if loaded.search(page.read_text())]


@pytest.mark.parametrize(
    "broken", ["[page](nowhere.md)", "[anchor](explanation/hooks.md#nowhere)", "[file](../no.yml)"]
)
def test_a_broken_link_is_refused(clone, broken):
    """A page, an anchor or a file that is not there fails the build."""
    page = clone / "docs/glossary.md"
    before = page.read_text()
    page.write_text(f"{before}\n{broken}\n")
    built = build(clone)
    page.write_text(before)

    assert 0 != built.returncode
    assert "glossary.md" in built.stderr
