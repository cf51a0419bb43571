"""Features of a departure as its scheduled hour begins; the README says what is hindsight."""

import pandas as pd

RECENT_LAG_H = 2
RECENT_CAP_MIN = 60


def build_features(
    departures: pd.DataFrame, raw_airports: pd.DataFrame, features: dict[str, list[str]]
) -> pd.DataFrame:
    """Select and derive the columns the models learn from, with date, delay and lateness."""
    table = departures.assign(
        weekday=departures["date"].dt.day_name().str[:3],
        plane_age=departures["year"] - departures["year_built"],
        engine=departures["engine"].fillna("unknown"),
        recent_delay_min=_recent_delay(departures),
    ).merge(_positions(raw_airports), on="dest", how="left", validate="many_to_one")
    return table[["date", *features["categorical"], *features["numeric"], "delay_min", "late"]]


def _recent_delay(departures: pd.DataFrame) -> pd.Series:
    """Mean delay at the same airport of the flights scheduled two hours earlier.

    Those flights were due more than an hour ago, so whether they are an hour late is known by
    now, but no more than that: capping at an hour keeps the future out.
    """
    hourly = departures["delay_min"].clip(upper=RECENT_CAP_MIN)
    keys = [departures["origin"], departures["time_hour"]]
    recent = hourly.groupby(keys).mean().rename("recent_delay_min").reset_index()
    recent["time_hour"] += pd.Timedelta(hours=RECENT_LAG_H)
    joined = departures[["origin", "time_hour"]].merge(
        recent, on=["origin", "time_hour"], how="left", validate="many_to_one"
    )
    return joined["recent_delay_min"].set_axis(departures.index)


def _positions(airports: pd.DataFrame) -> pd.DataFrame:
    """Latitude and longitude of each possible destination."""
    names = {"faa": "dest", "lat": "dest_lat", "lon": "dest_lon"}
    return airports[list(names)].rename(columns=names)
