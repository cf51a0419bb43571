"""Which registered pipelines a worker is told to load."""

import msgspec
import pytest
from dagster_kedro.index import AssetIndex
from dagster_kedro.translator import DagsterKedroTranslator
from kedro_manifest.codec import write_manifest


@pytest.fixture
def index(project, node):
    """Index a project of two nodes, whose pipelines load alone, do not, or are not known."""

    def make(**alone):
        nodes = [node("a", [], ["x"]), node("b", ["x"], ["y"])]
        held = {"one": ["a"], "other": ["b"], "both": ["a", "b"], "__default__": ["a", "b"]}
        opened = project(*nodes, pipelines=held)
        pipelines = [
            msgspec.structs.replace(each, loads_alone=alone.get(each.name))
            for each in opened.manifest.pipelines
        ]
        manifest = msgspec.structs.replace(opened.manifest, pipelines=pipelines)
        write_manifest(manifest, opened.project_dir / "manifest.json")
        return AssetIndex(type(opened)(opened.project_dir), DagsterKedroTranslator())

    return make


@pytest.mark.parametrize(
    ("alone", "nodes", "expected"),
    [
        ({}, ["a", "b"], ["one", "other"]),
        ({"one": True, "other": True, "both": True}, ["a", "b"], ["one", "other"]),
        ({"one": False, "both": True}, ["a"], ["both"]),
        ({"one": True, "other": False, "both": False}, ["a", "b"], ["one", "other"]),
        ({"one": True, "other": False, "both": True}, ["a", "b"], ["one", "both"]),
    ],
)
def test_pipelines_that_load_alone_come_first(index, alone, nodes, expected):
    """A larger pipeline that loads alone is better than a smaller one that brings in all."""
    assert expected == [each.name for each in index(**alone).pipelines_holding(nodes)]
