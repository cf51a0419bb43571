"""What is published: a wheel and a source archive that anybody can build anew, byte by byte."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".build", "__pycache__", "tests", "docs")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build twice, from two copies with other times and another umask; return both folders."""
    folders = []
    for name, second, umask in (("a", 1_000_000_000, 0o022), ("b", 1_600_000_000, 0o077)):
        folder = tmp_path_factory.mktemp(name)
        copy = folder / "copy"
        shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
        for file in copy.rglob("*"):
            if file.is_file():
                file.chmod(file.stat().st_mode & ~umask)
                os.utime(file, (second, second))
        command = [sys.executable, "-m", "build", "--outdir", str(folder / "dist"), str(copy)]
        subprocess.run(command, check=True, capture_output=True, umask=umask)
        folders.append(folder / "dist")
    return folders


def test_reproducible(built):
    """Two builds of the same sources are equal."""
    first, second = built
    names = sorted(file.name for file in first.iterdir())

    assert [".whl", ".gz"] == [Path(name).suffix for name in names]
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_contents(built):
    """Three typed packages with what they read at run time; the archive builds the same wheel."""
    (wheel,) = built[0].glob("*.whl")
    (archive,) = built[0].glob("*.tar.gz")
    held = zipfile.ZipFile(wheel).namelist()

    packages = {name.split("/")[0] for name in held if ".dist-info" not in name}
    assert {"kedro_manifest", "kedro_pipes", "dagster_kedro"} == packages
    assert packages == {name.split("/")[0] for name in held if name.endswith("/py.typed")}
    with tarfile.open(archive) as sources:
        names = sources.getnames()
    inside = {name.partition("/")[2].partition("/")[2] for name in names}
    assert [] == sorted(name for name in held if ".dist-info" not in name and name not in inside)
