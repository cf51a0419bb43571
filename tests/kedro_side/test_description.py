"""What is said of saved data, by its kind: from real datasets of Kedro's with real data."""

from __future__ import annotations

import base64
import io
import math
import shutil
from datetime import datetime

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import polars as pl
import pyarrow as pa
import pytest
from kedro.io import AbstractDataset, CachedDataset, MemoryDataset, Version
from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import CSVDataset
from kedro_datasets.partitions import PartitionedDataset
from kedro_datasets.pickle import PickleDataset
from kedro_datasets.text import TextDataset
from kedro_pipes.worker.describe import Wanted, describe_saved
from kedro_pipes.worker.staging import StagedDataset
from PIL import Image

mpl.use("agg")

ORDERS = {"id": [1, 2], "amount": [0.5, math.nan], "note": ["a|b\nc", None]}
VERSION = "2026-01-01T00.00.00.000Z"


class PictureDataset(AbstractDataset):
    """Saves a figure as its suffix says; kedro-datasets need not be as new as this."""

    def __init__(self, filepath):
        self._filepath = filepath

    def _save(self, data):
        data.savefig(self._filepath, dpi=data.dpi)

    def _load(self):
        raise AssertionError("nothing may be loaded")

    def _describe(self):
        return {"filepath": self._filepath}


class LookedAtDataset(MemoryDataset):
    """Has a preview of its own."""

    def preview(self, length: int = 3) -> str:
        """Return the beginning, as Markdown."""
        return f"**{self._data[:length]}**"


@pytest.fixture
def plotly_figure():
    return go.Figure(go.Bar(x=[1, 2, 3], y=[3, 4, 5], name="late"), layout={"title": "Delays"})


@pytest.fixture
def saved():
    """Save data; return the names and bare values of its metadata, and its data version."""

    def save(dataset, data, **wanted):
        dataset.save(data)
        description = describe_saved(dataset, data, Wanted(**wanted))
        bare = {name: entry["raw_value"] for name, entry in description.metadata.items()}
        return bare, description.data_version

    return save


def columns_of(metadata):
    return {
        column["name"]: column["type"] for column in metadata["dagster/column_schema"]["columns"]
    }


@pytest.mark.parametrize(
    ("table", "types"),
    [
        (pd.DataFrame(ORDERS), ["int64", "float64"]),
        (pl.DataFrame(ORDERS, strict=False), ["Int64", "Float64"]),
        (pa.table(ORDERS), ["int64", "double"]),
    ],
    ids=["pandas", "polars", "pyarrow"],
)
def test_tables(saved, table, types):
    """Rows, columns and the first rows, whichever library the table is of."""
    metadata, version = saved(MemoryDataset(copy_mode="assign"), table)

    assert 2 == metadata["dagster/row_count"]
    assert ["id", "amount", "note"] == list(columns_of(metadata))
    assert types == list(columns_of(metadata).values())[:2]
    head, _, first, second = metadata["kedro/preview"].splitlines()
    assert "| id | amount | note |" == head
    assert "| 1 | 0.5 | a\\|b c |" == first
    assert second.startswith("| 2 | ")
    assert version is None


def test_lazy_tables(saved):
    """They have columns; counting the rows, or looking at them, would run them."""

    def refuse(_):
        raise AssertionError("the plan was run")

    schema = {"id": pl.Int64}
    lazy = pl.LazyFrame({"id": [1]}).map_batches(refuse, schema=schema)
    metadata, _ = saved(MemoryDataset(copy_mode="assign"), lazy)

    assert {"id": "Int64"} == columns_of(metadata)
    assert not {"dagster/row_count", "kedro/preview"} & metadata.keys()


def test_a_wide_table(saved):
    """The schema and the preview are bounded."""
    table = pd.DataFrame([range(600)], columns=pd.MultiIndex.from_product([["x"], range(600)]))
    metadata, _ = saved(MemoryDataset(copy_mode="assign"), table)

    assert 500 == len(columns_of(metadata))
    assert "('x', 19)" in metadata["kedro/preview"]
    assert metadata["kedro/preview"].endswith("… 580 more columns")


def test_a_file(saved, tmp_path):
    """Where it is and how large, and of which version."""
    dataset = CSVDataset(filepath=str(tmp_path / "a.csv"), version=Version(None, VERSION))
    metadata, _ = saved(CachedDataset(dataset), pd.DataFrame(ORDERS))
    file = tmp_path / "a.csv" / VERSION / "a.csv"

    assert str(file) == metadata["dagster/uri"]
    assert file.stat().st_size == metadata["kedro/size_bytes"]
    assert "pandas.DataFrame" in metadata["kedro/data_type"].replace("core.frame.", "")


def test_a_storage_elsewhere(saved):
    """An object has size and place as well, and a version without being read."""
    dataset = CSVDataset(filepath="memory://bucket/a.csv")
    metadata, version = saved(dataset, pd.DataFrame(ORDERS))

    assert metadata["dagster/uri"].startswith("memory://")
    assert metadata["kedro/size_bytes"] > 0
    assert version is not None


def test_partitions(saved, tmp_path):
    """All rows and bytes of the saved partitions; what is saved lazily is not counted."""
    tables = {"a": pd.DataFrame(ORDERS), "b": pd.DataFrame(ORDERS)}
    dataset = PartitionedDataset(path=str(tmp_path), dataset=CSVDataset, filename_suffix=".csv")
    metadata, _ = saved(dataset, tables)
    lazily, _ = saved(dataset, {"a": lambda: tables["a"]})

    assert 4 == metadata["dagster/row_count"]
    assert 2 * (tmp_path / "a.csv").stat().st_size == metadata["kedro/size_bytes"]
    assert "dagster/row_count" not in lazily


def test_numbers(saved, tmp_path):
    """Each number of a JSON file is an entry of its own, which Dagster draws over time."""
    metrics = {
        "r2": 0.5,
        "by fold": {"1": {"mae": 3}, "2": [1, 2]},
        "good": True,
        "name": "linear",
        "access_token": 7.5,
        "max": math.inf,
        "np": np.float32(0.5),
    }
    dataset = JSONDataset(filepath=str(tmp_path / "m.json"))
    metadata, _ = saved(dataset, {**metrics, "np": 0.5})
    numbers = {name: metadata[name] for name in metadata if name.startswith("metrics/")}

    assert {
        "metrics/r2": 0.5,
        "metrics/by fold.1.mae": 3.0,
        "metrics/np": 0.5,
        "metrics/access_token": 7.5,
        "metrics/max": "inf",
    } == numbers
    assert isinstance(numbers["metrics/by fold.1.mae"], float)


def test_not_everything_is_a_metric(saved, tmp_path):
    """Numbers in a pickle are a model's own business, and a thousand are too many."""
    pickled, _ = saved(PickleDataset(filepath=str(tmp_path / "m.pickle")), {"weight": 0.5})
    many, _ = saved(JSONDataset(filepath=str(tmp_path / "m.json")), {str(n): n for n in range(999)})

    assert "builtins.dict" == pickled["kedro/data_type"]
    assert "metrics/weight" not in pickled
    assert 100 == sum(name.startswith("metrics/") for name in many)


def test_secrets_are_not_shown(saved, tmp_path):
    """A column or an entry that is called like a secret has none of its values in a preview."""
    table = pd.DataFrame({"user": ["ann"], "password": ["hunter22"], "url": ["ftp://a:b0b0@c/d"]})
    shown, _ = saved(MemoryDataset(), table)
    document, _ = saved(
        JSONDataset(filepath=str(tmp_path / "m.json")), {"user": "ann", "api_key": "hunter22"}
    )
    for preview in (shown["kedro/preview"], document["kedro/preview"]):
        assert "ann" in preview
        assert "hunter22" not in preview
        assert "b0b0" not in preview


def test_texts(saved, tmp_path):
    """Markdown is shown as such, anything else as it is written, both not for ever."""
    document, _ = saved(TextDataset(filepath=str(tmp_path / "a.md")), "# Findings")
    plain, _ = saved(TextDataset(filepath=str(tmp_path / "a.txt")), "```\n" + "x" * 9000)

    assert "# Findings" == document["kedro/preview"]
    assert plain["kedro/preview"].startswith("````\n```\n")
    assert plain["kedro/preview"].endswith("… 5004 more characters")


@pytest.mark.parametrize("name", ["plot.png", "plot.svg", "plot.jpg"])
def test_images(saved, tmp_path, name):
    """A saved image is part of the metadata."""
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    metadata, _ = saved(PictureDataset(str(tmp_path / name)), figure)

    assert metadata["kedro/preview"].startswith(f"![{name}](data:image/")


def test_a_large_image(saved, tmp_path):
    """It is made smaller, and what cannot be is left out."""
    noise = np.random.default_rng(1).integers(0, 255, (900, 900, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "plot.png")
    (tmp_path / "plot.svg").write_text("<svg/>" * 100_000)

    class Saved(PictureDataset):
        def _save(self, data): ...

    image, _ = saved(Saved(str(tmp_path / "plot.png")), object())
    drawing, _ = saved(Saved(str(tmp_path / "plot.svg")), object())

    assert image["kedro/preview"].startswith("![plot.png](data:image/jpeg;base64,")
    assert len(image["kedro/preview"]) < 500_000
    assert "kedro/preview" not in drawing


def test_plotly_figures_are_drawn(saved, tmp_path, plotly_figure):
    """Kaleido and its browser make a picture of a figure, since Dagster runs no scripts."""
    if not any(map(shutil.which, ("chromium", "google-chrome", "chrome"))):
        pytest.skip("no Chromium: install it, with Debian's package `chromium` for instance")
    metadata, _ = saved(PickleDataset(filepath=str(tmp_path / "f.pickle")), plotly_figure)

    before, _, content = metadata["kedro/preview"].partition("base64,")
    assert "![figure](data:image/png;" == before
    with Image.open(io.BytesIO(base64.b64decode(content.rstrip(")")))) as picture:
        assert (800, 450) == picture.size
        assert len(set(picture.convert("RGB").getdata())) > 2  # not an empty page


def test_plotly_figures_in_words(saved, tmp_path, monkeypatch, plotly_figure):
    """Without a browser that could draw it, a figure is told in words."""
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "none"))
    metadata, _ = saved(PickleDataset(filepath=str(tmp_path / "f.pickle")), plotly_figure)

    assert "**Delays**\n\n- bar late, 3 points" == metadata["kedro/preview"]


def test_a_preview_of_ones_own(saved):
    """A dataset of the project's that has one is asked, with what the catalog passes to it."""
    plain, _ = saved(LookedAtDataset(), "abcdef")
    viz = {"kedro-viz": {"preview_args": {"length": 5}}}
    longer, _ = saved(LookedAtDataset(metadata=viz), "abcdef")

    assert "**abc**" == plain["kedro/preview"]
    assert "**abcde**" == longer["kedro/preview"]


def test_previews_can_be_turned_off(saved):
    """For one dataset in the catalog, and for all in `dagster.yml`."""
    table = pd.DataFrame(ORDERS)
    one, _ = saved(MemoryDataset(metadata={"dagster": {"preview": False}}), table)
    every, _ = saved(MemoryDataset(), table, previews=False)

    assert 2 == one["dagster/row_count"] == every["dagster/row_count"]
    assert not {"kedro/preview"} & {*one, *every}


def test_all_of_it_can_be_turned_off(saved, tmp_path):
    """Then no file is looked at."""
    dataset = CSVDataset(filepath=str(tmp_path / "a.csv"))

    assert ({}, None) == saved(dataset, pd.DataFrame(ORDERS), metadata=False, version_by="never")


class Hostile:
    """Raises whatever it is asked, and looks like a table."""

    columns = ("a",)
    __module__ = "pandas.hostile"

    def __getattr__(self, name):
        raise RuntimeError(name)


@pytest.mark.parametrize(
    "make",
    [Hostile, lambda: {"a": Hostile()}, lambda: [Hostile()], lambda: datetime, lambda: np.zeros(3)],
)
def test_nothing_fails(saved, make):
    """What cannot be described is left out, and the rest is there."""
    metadata, _ = saved(MemoryDataset(copy_mode="assign"), make())

    assert metadata.keys() <= {"kedro/data_type"}


@pytest.mark.parametrize("version_by", ["auto", "content"])
def test_the_same_bytes_are_the_same_version(saved, tmp_path, version_by):
    """However often, wherever, and as whichever version they are saved."""
    first = CSVDataset(filepath=str(tmp_path / "a.csv"))
    other = CSVDataset(filepath=str(tmp_path / "b.csv"), version=Version(None, VERSION))
    table = pd.DataFrame(ORDERS)
    versions = [saved(each, table, version_by=version_by)[1] for each in (first, first, other)]
    changed = saved(first, table.head(1), version_by=version_by)[1]

    assert 1 == len(set(versions))
    assert changed not in {None, *versions}


def test_versions_by_time(saved, tmp_path):
    """Without reading, each time that it is saved is a version."""
    dataset = CSVDataset(filepath=str(tmp_path / "a.csv"))
    table = pd.DataFrame(ORDERS)

    assert 2 == len({saved(dataset, table, version_by="modified")[1] for _ in range(2)})


def test_versions_of_partitions(tmp_path):
    """Where partitions stand for keys, a version is that of the ones that were saved."""
    dataset = PartitionedDataset(path=str(tmp_path), dataset=CSVDataset, filename_suffix=".csv")

    def save(**tables):
        tables = {name: pd.DataFrame({"a": values}) for name, values in tables.items()}
        dataset.save(tables)
        return describe_saved(dataset, tables, Wanted(), sorted(tables)).data_version

    first = save(a=[1], b=[2])

    assert save(a=[1]) != first
    assert save(a=[1]) == save(a=[1])
    save(b=[3])
    assert save(a=[1]) != save(a=[1], b=[2]) == first


def test_no_version_of_what_is_in_no_file(saved, tmp_path):
    """Dagster makes one from code and inputs; a staged pickle is another each time."""
    staged = StagedDataset("x", str(tmp_path / "stage/x.pickle"))
    metadata, version = saved(staged, pd.DataFrame(ORDERS))

    assert version is None
    assert 2 == metadata["dagster/row_count"]
