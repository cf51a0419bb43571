"""Write a Kedro project of nine light nodes, every result in a file, so that each is a process.

Three CSV files become Parquet, and are joined, split, fitted, judged and reported on: the shape of
Kedro's own spaceflights, in which the work takes milliseconds and the libraries seconds.
"""

from __future__ import annotations

import random
from pathlib import Path

ROWS = 2000

PYPROJECT = """\
[tool.kedro]
package_name = "light"
project_name = "Light"
kedro_init_version = "1.7.0"
"""
CATALOG = """\
"raw_{name}":
  type: pandas.CSVDataset
  filepath: data/raw_{name}.csv

"report_{name}":
  type: json.JSONDataset
  filepath: data/report_{name}.json

model:
  type: pickle.PickleDataset
  filepath: data/model.pickle

scores:
  type: json.JSONDataset
  filepath: data/scores.json

"{name}":
  type: pandas.ParquetDataset
  filepath: data/{name}.parquet
"""
NODES = '''\
"""What the nodes do."""

import numpy as np
import pandas as pd


def clean(raw: pd.DataFrame) -> pd.DataFrame:
    return raw.dropna()


def join(orders: pd.DataFrame, shops: pd.DataFrame, goods: pd.DataFrame) -> pd.DataFrame:
    return orders.merge(shops, on="shop").merge(goods, on="good")


def split(joined: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    return joined.iloc[::2], joined.iloc[1::2]


def train(training: pd.DataFrame) -> np.ndarray:
    return np.linalg.lstsq(training[["size", "price"]].to_numpy(), training["sold"], rcond=None)[0]


def evaluate(model: np.ndarray, testing: pd.DataFrame) -> dict[str, float]:
    residuals = testing["sold"] - testing[["size", "price"]].to_numpy() @ model
    return {"rmse": float((residuals**2).mean() ** 0.5)}


def report_shops(joined: pd.DataFrame) -> dict[str, float]:
    return {str(shop): float(sold) for shop, sold in joined.groupby("shop")["sold"].mean().items()}


def report_goods(joined: pd.DataFrame) -> dict[str, float]:
    return {str(good): float(sold) for good, sold in joined.groupby("good")["sold"].sum().items()}
'''
REGISTRY = '''\
"""The pipeline."""

from kedro.pipeline import node, pipeline

from light import nodes


def register_pipelines():
    cleaning = [
        node(nodes.clean, f"raw_{name}", name, name=f"clean_{name}")
        for name in ("orders", "shops", "goods")
    ]
    rest = [
        node(nodes.join, ["orders", "shops", "goods"], "joined", name="join"),
        node(nodes.split, "joined", ["training", "testing"], name="split"),
        node(nodes.train, "training", "model", name="train"),
        node(nodes.evaluate, ["model", "testing"], "scores", name="evaluate"),
        node(nodes.report_shops, "joined", "report_shops", name="report_shops"),
        node(nodes.report_goods, "joined", "report_goods", name="report_goods"),
    ]
    return {"__default__": pipeline([*cleaning, *rest])}
'''


def write_light_project(folder: Path) -> None:
    """Write the project and its three raw files into a new folder."""
    package = folder / "src/light"
    for each in (package, folder / "conf/base", folder / "conf/local", folder / "data"):
        each.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "conf/base/catalog.yml").write_text(CATALOG)
    (package / "__init__.py").touch()
    (package / "settings.py").touch()
    (package / "nodes.py").write_text(NODES)
    (package / "pipeline_registry.py").write_text(REGISTRY)
    draw = random.Random(1)
    orders = [f"{draw.randrange(40)},{draw.randrange(60)},{draw.random():.4f}" for _ in range(ROWS)]
    shops = [f"{shop},{draw.randrange(20, 400)}" for shop in range(40)]
    goods = [f"{good},{draw.uniform(1, 90):.2f}" for good in range(60)]
    (folder / "data/raw_orders.csv").write_text("\n".join(["shop,good,sold", *orders]))
    (folder / "data/raw_shops.csv").write_text("\n".join(["shop,size", *shops]))
    (folder / "data/raw_goods.csv").write_text("\n".join(["good,price", *goods]))
