"""Summaries of the delays and of the models."""

from collections.abc import Callable
from typing import Any

import pandas as pd

VISIBILITY_MILES = {"below 1": 1, "1 to 3": 3, "3 to 6": 6, "6 to 10": 10, "10": None}


def summarise_delays(
    departures: pd.DataFrame, raw_airlines: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Summarise the delays by airport and hour, by carrier and by visibility."""
    by_carrier = _summarise(departures, ["carrier"]).merge(raw_airlines, on="carrier")
    ranking = by_carrier.sort_values("late_share", ascending=False, kind="stable")
    visible = departures.assign(visibility_miles=_visibility(departures["visib"]))
    return {
        "hour": _summarise(departures, ["origin", "hour"]),
        "carrier": ranking,
        "weather": _summarise(visible, ["visibility_miles"]),
    }


def summarise_months(departures_by_month: dict[str, Callable[[], Any]]) -> pd.DataFrame:
    """Summarise one month after the other, so that only one is in memory."""
    months = [
        _summarise(load().assign(month=month), ["month"])
        for month, load in sorted(departures_by_month.items())
    ]
    return pd.concat(months, ignore_index=True)


def compare_models(**metrics: dict[str, float]) -> pd.DataFrame:
    """Put the metrics of all models side by side, best first."""
    scores = pd.DataFrame([{"model": model, **values} for model, values in metrics.items()])
    return scores.sort_values("rmse_min", kind="stable", ignore_index=True)


def _summarise(departures: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Count the departures of each group, their mean delay and the share that left late."""
    return (
        departures.groupby(keys, observed=True)
        .agg(
            departures=("delay_min", "size"),
            mean_delay_min=("delay_min", "mean"),
            late_share=("late", "mean"),
        )
        .reset_index()
    )


def _visibility(miles: pd.Series) -> pd.Series:
    """Sort visibilities into classes; the instruments report nothing above ten miles."""
    edges = [float("-inf"), *(edge or float("inf") for edge in VISIBILITY_MILES.values())]
    return pd.cut(miles, edges, labels=list(VISIBILITY_MILES), right=False)
