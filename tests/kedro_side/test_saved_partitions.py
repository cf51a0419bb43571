"""Which partitions a save has written, seen from what was saved."""

import pytest
from kedro.io import CachedDataset
from kedro_datasets.json import JSONDataset
from kedro_datasets.partitions import IncrementalDataset, PartitionedDataset
from kedro_pipes.worker.describe import saved_partitions


@pytest.fixture
def partitioned(tmp_path):
    """A dataset of JSON files."""
    return PartitionedDataset(path=str(tmp_path), dataset=JSONDataset, filename_suffix=".json")


def test_partitions(partitioned, tmp_path):
    """They are what stands on the disk, those saved lazily as well."""
    data = {"b": 2, "a": lambda: 1}
    partitioned.save(data)

    written = sorted(file.stem for file in tmp_path.glob("*.json"))
    assert ["a", "b"] == written == saved_partitions(partitioned, data)


def test_incremental(tmp_path):
    """An incremental dataset is partitioned too, and so is a cached one."""
    incremental = IncrementalDataset(path=str(tmp_path), dataset=JSONDataset)

    assert ["a"] == saved_partitions(incremental, {"a": 1})
    assert ["a"] == saved_partitions(CachedDataset(incremental), {"a": 1})


@pytest.mark.parametrize("data", [{}, None, [1]])
def test_nothing(partitioned, data):
    """What is empty or no mapping has no partitions."""
    assert [] == saved_partitions(partitioned, data)


def test_other_datasets(tmp_path):
    """A mapping that is saved as one file has none."""
    assert [] == saved_partitions(JSONDataset(filepath=str(tmp_path / "a.json")), {"a": 1})
