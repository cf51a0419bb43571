"""What lies around a project: variables that its files name, and what images leave out."""

from __future__ import annotations

import pytest
from kedro.config import OmegaConfigLoader
from kedro_pipes.project.surroundings import look_around


@pytest.fixture
def look(tmp_path):
    """Look around a project of two configuration files, for an environment."""
    for name in ("base", "local"):
        (tmp_path / "conf" / name).mkdir(parents=True)
    (tmp_path / "conf/base/credentials.yml").write_text(
        "lake: {key: '${oc.env:KEY}', region: '${oc.env:REGION,eu}'} # ${oc.env:OLD}\n"
    )
    (tmp_path / "conf/local/credentials.json").write_text('{"more": "a ${oc.env:MORE}"}')
    (tmp_path / "conf/local/.gitkeep").touch()

    def look_at(env=None, ignored=None):
        if ignored is not None:
            (tmp_path / ".dockerignore").write_text(ignored)
        loader = OmegaConfigLoader(
            str(tmp_path / "conf"), base_env="base", default_run_env="local", env=env
        )
        return look_around(loader, env, tmp_path)

    return look_at


def test_variables_without_a_default(look):
    """Those that a value names are found, whatever the file is; comments do not count."""
    found = [(each.name, each.file) for each in look().variables]

    assert [
        ("KEY", "conf/base/credentials.yml"),
        ("MORE", "conf/local/credentials.json"),
    ] == found


def test_the_local_folder(look):
    """It is the folder of the default environment, where that is run."""
    assert ("conf/local", ["conf/local/credentials.json"]) == (
        look().local_folder,
        look().local_files,
    )
    assert look().local_folder == look("local").local_folder
    assert look("base").local_folder is None


@pytest.mark.parametrize(
    ("ignored", "is_left_out"),
    [
        ("conf/local/*\n", False),
        ("conf/local\n!conf/local/.gitkeep\n", False),
        ("# conf/local\nconf/locals\n", False),
        ("conf/local\n", True),
        ("./conf/local/\n", True),
        ("**/local\n", True),
        ("data\nconf\n", True),
    ],
)
def test_dockerignore(look, ignored, is_left_out):
    """A pattern for the folder, or one above it, leaves it out; one for its files does not."""
    assert is_left_out == look(ignored=ignored).is_folder_left_out
