"""Split, train, predict and evaluate."""

import logging
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import (
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from .estimators import build_estimator

logger = logging.getLogger(__name__)


def split_by_day(
    features: pd.DataFrame, split: dict[str, float]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Hold out whole days: flights of one day share their weather and their queues."""
    days = np.sort(features["date"].unique())
    shuffled = np.random.default_rng(int(split["seed"])).permutation(days)
    test_days = shuffled[: round(len(days) * split["test_share"])]
    held_out = features["date"].isin(test_days)
    return _renumber(features[~held_out]), _renumber(features[held_out])


def _renumber(table: pd.DataFrame) -> pd.DataFrame:
    return table.reset_index(drop=True)


def train_model(
    train_departures: pd.DataFrame, features: dict[str, list[str]], options: dict[str, Any]
) -> Pipeline:
    """Fit the estimator that the options name to the capped delay."""
    model = build_estimator(features, options)
    # Sums over several threads depend on their order: one thread gives the same model each time.
    with threadpool_limits(limits=1):
        model.fit(_inputs(train_departures, features), train_departures["delay_min"])
    logger.info("Trained %s on %s departures", options["estimator"], f"{len(train_departures):,}")
    return model


def predict_delays(
    model: Pipeline, test_departures: pd.DataFrame, features: dict[str, list[str]]
) -> pd.DataFrame:
    """Predict the delay of each held-out departure, next to what happened."""
    with threadpool_limits(limits=1):
        predicted = model.predict(_inputs(test_departures, features))
    known = test_departures[["date", "carrier", "origin", "hour", "delay_min", "late"]]
    return known.assign(predicted_min=predicted)


def _inputs(departures: pd.DataFrame, features: dict[str, list[str]]) -> pd.DataFrame:
    return departures[[*features["categorical"], *features["numeric"]]]


def evaluate_model(predictions: pd.DataFrame) -> dict[str, float]:
    """Measure the error in minutes, and how well the prediction ranks the late flights."""
    actual, predicted = predictions["delay_min"], predictions["predicted_min"]
    return {
        "departures": len(predictions),
        "late_share": float(predictions["late"].mean()),
        "rmse_min": float(root_mean_squared_error(actual, predicted)),
        "mae_min": float(mean_absolute_error(actual, predicted)),
        "r2": float(r2_score(actual, predicted)),
        "roc_auc": float(roc_auc_score(predictions["late"], predicted)),
    }
