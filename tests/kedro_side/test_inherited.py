"""What a forked process makes of a catalog and of connections that it has inherited."""

import json
import os

import fsspec
import pytest
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
from kedro.io import AbstractVersionedDataset, DataCatalog, Version
from kedro_pipes.conductor.inherited import refresh_datasets

OLD, NEW = "2026-01-01T00.00.00.000Z", "2026-02-02T00.00.00.000Z"


class RemoteDataset(AbstractVersionedDataset):
    """A dataset as those of kedro-datasets are, on a file system with a thread of its own."""

    def __init__(self, path, file_system, version=None):
        self._fs = file_system
        super().__init__(path, version, file_system.exists, file_system.glob)

    def load(self):
        """Read a text."""
        with self._fs.open(str(self._get_load_path())) as file:
            return file.read().decode()

    def save(self, data):
        """Say where it would be saved."""
        raise NotImplementedError(str(self._get_save_path()))

    def _describe(self):
        return {}


@pytest.fixture
def catalog(tmp_path):
    """A catalog with a dataset of which a version has been looked for already."""
    for version in (OLD, NEW):
        (tmp_path / "text" / version).mkdir(parents=True)
        (tmp_path / "text" / version / "text").write_text(version)
    wrapper = AsyncFileSystemWrapper(fsspec.filesystem("file"), asynchronous=False)
    dataset = RemoteDataset(tmp_path / "text", wrapper, Version(None, OLD))
    made = DataCatalog({"text": dataset})
    assert NEW == dataset.resolve_load_version()
    return made


def in_a_fork(function):
    """Return what a function returns in a forked process, or the error that it raises."""
    reading, writing = os.pipe()
    process_id = os.fork()
    if process_id == 0:
        try:
            said = function()
        except BaseException as error:  # noqa: BLE001 - told to the parent
            said = repr(error)
        os.write(writing, json.dumps(said).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(process_id, 0)
    with os.fdopen(reading) as file:
        return json.load(file)


@pytest.mark.newest
def test_file_systems_are_made_anew(catalog):
    """A file system that a thread of the parent serves is replaced, in all that the dataset holds."""

    def load():
        refresh_datasets(catalog, ["text"], {}, NEW)
        return catalog.load("text")

    assert "not fork-safe" in in_a_fork(lambda: catalog.load("text"))
    assert NEW == in_a_fork(load)


@pytest.mark.newest
def test_versions(catalog):
    """What the parent has found counts no more; what is pinned is loaded, and the run's is saved."""

    def versions():
        refresh_datasets(catalog, ["text"], {"text": OLD}, NEW)
        dataset = catalog["text"]
        return [catalog.load("text"), dataset.resolve_save_version()]

    assert [OLD, NEW] == in_a_fork(versions)
