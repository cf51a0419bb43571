"""Datasets that the project's own hooks add to the finished catalog."""

from __future__ import annotations

import pytest

HOOK = """

from kedro.framework.hooks import hook_impl
from kedro.io import AbstractDataset, CachedDataset, MemoryDataset, Version
from kedro_datasets.json import JSONDataset


class Remote(AbstractDataset):
    def __init__(self, filepath, credentials):
        self._protocol, self._filepath = "gs", filepath
        self._credentials = credentials
        self.metadata = {{"owner": "me", "password": credentials}}

    def load(self):
        ...

    def save(self, data):
        ...

    def _describe(self):
        return {{}}


class Adds:
    @hook_impl
    def after_context_created(self, context):
        self._path = context.project_path

    @hook_impl
    def after_catalog_created(self, catalog):
        add = catalog.__setitem__ if hasattr(catalog, "__setitem__") else catalog.add
        add("north.features", {dataset})


HOOKS = (Adds(),)
"""


@pytest.fixture
def features(spaceport, export):
    """Export the project with a hook that adds `north.features`; return what is said of it."""

    def exported(dataset):
        settings = spaceport / "src/spaceport/settings.py"
        settings.write_text(settings.read_text() + HOOK.format(dataset=dataset))
        named = {each["name"]: each for each in export(spaceport)["datasets"]}
        assert "memory" == named["south.features"]["kind"]
        return named["north.features"]

    return exported


LOCAL = 'JSONDataset(filepath=(self._path / "data/features.json").as_posix()'


@pytest.mark.parametrize(
    ("dataset", "kind", "versioned", "uri"),
    [
        (f"{LOCAL})", "json.JSONDataset", False, "data/features.json"),
        (f"{LOCAL}, version=Version(None, None))", "json.JSONDataset", True, "data/features.json"),
        (f"CachedDataset({LOCAL}))", "CachedDataset", False, "data/features.json"),
        (
            'JSONDataset(filepath="memory://bucket/features.json")',
            "json.JSONDataset",
            False,
            "memory:///features.json",
        ),
        (
            'Remote("me:hush-hush-1@bucket/features", "hush-hush-1")',
            "spaceport.settings.Remote",
            False,
            "gs://bucket/features",
        ),
    ],
)
def test_persisted_dataset_is_described(features, dataset, kind, versioned, uri):
    """What a hook adds is no longer taken for data in memory, and brings no secret along."""
    found = features(dataset)

    assert ("file", kind, versioned, uri) == tuple(
        found[key] for key in ("kind", "type", "versioned", "uri")
    )
    assert "hush-hush-1" not in str(found)
    assert "unpicklable" in found


def test_what_is_in_memory_stays_so(features):
    """A hook may add data that it has made; only its own process has it."""
    assert "memory" == features("MemoryDataset([1])")["kind"]


def test_failing_hook_is_told_and_passed_over(spaceport, try_export):
    """The export goes on as if there were no such hook, and says what that means."""
    settings = spaceport / "src/spaceport/settings.py"
    settings.write_text(settings.read_text() + HOOK.format(dataset="1 / 0"))
    result = try_export(spaceport, "-o", "manifest.json")

    said = " ".join(result.stderr.split())
    assert 0 == result.returncode
    assert "Cannot tell what the project's own hooks add to the catalog: ZeroDivisionError" in said
