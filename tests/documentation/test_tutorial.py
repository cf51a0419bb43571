"""The tutorial, typed by a reader who has nothing but Python and this repository."""

from pathlib import Path

import pytest
from pages import REPOSITORY, Desk, read_blocks

PAGES = sorted((REPOSITORY / "docs/tutorial").glob("[0-9]-*.md"))


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """The folder and the terminals that all pages share."""
    desk = Desk(tmp_path_factory.mktemp("tutorial"))
    yield desk
    desk.close()


@pytest.mark.timeout(900)  # two environments are made
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page(desk, page: Path):
    """Every block runs where the pages before it have left off, and prints what it shows."""
    for block in read_blocks(page):
        desk.carry_out(block)
