"""Ingest, check, clean and join the published tables."""

import logging
from typing import Any

import pandas as pd

logger = logging.getLogger(__name__)

FLIGHT_KEY = ["time_hour", "minute", "origin", "carrier", "flight"]
WEATHER_KEY = ["origin", "time_hour"]
OBSERVATIONS = [
    "temp",
    "dewp",
    "humid",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
]


def ingest_flights(raw_flights: pd.DataFrame, sampling: dict[str, int]) -> pd.DataFrame:
    """Parse dates, keep every n-th day of the year and sort by the flight's key."""
    date = pd.to_datetime(raw_flights[["year", "month", "day"]])
    sampled = (date.dt.dayofyear - 1) % sampling["day_step"] == 0
    flights = raw_flights.assign(
        date=date, time_hour=pd.to_datetime(raw_flights["time_hour"], utc=True)
    )
    return flights[sampled].sort_values(FLIGHT_KEY, kind="stable", ignore_index=True)


def ingest_weather(raw_weather: pd.DataFrame) -> pd.DataFrame:
    """Parse the hour of each observation and sort by airport and hour."""
    weather = raw_weather.assign(time_hour=pd.to_datetime(raw_weather["time_hour"], utc=True))
    return weather.sort_values(WEATHER_KEY, kind="stable", ignore_index=True)


def ingest_planes(raw_planes: pd.DataFrame) -> pd.DataFrame:
    """Keep what may matter for a delay; the year of a plane is the one it was built in."""
    planes = raw_planes.rename(columns={"year": "year_built"})
    columns = ["tailnum", "year_built", "manufacturer", "model", "seats", "engine"]
    return planes[columns].sort_values("tailnum", kind="stable", ignore_index=True)


def check_flights(flights: pd.DataFrame, quality: dict[str, Any]) -> None:
    """Stop the run if the flights are not what the rest of the project relies on."""
    cancelled_share = float(flights["dep_time"].isna().mean())
    checks = {
        "no flight appears twice": not flights.duplicated(FLIGHT_KEY).any(),
        "the airports are the expected ones": set(flights["origin"]) == set(quality["origins"]),
        "every month has flights": flights["month"].nunique() == quality["months"],
        "few flights are cancelled": cancelled_share <= quality["max_cancelled_share"],
    }
    broken = [claim for claim, holds in checks.items() if not holds]
    if broken:
        message = f"Cannot use the flights, these checks failed: {'; '.join(broken)}."
        raise ValueError(message)
    logger.info("%d checks passed, %.1f %% cancelled", len(checks), 100 * cancelled_share)


def clean_flights(flights: pd.DataFrame, delays: dict[str, int]) -> pd.DataFrame:
    """Drop flights that never left; cap the delay and mark who left late."""
    # Cancelled flights crowd the schedule too, so they are counted before they go.
    scheduled = flights.groupby(WEATHER_KEY)["flight"].transform("size")
    departed = flights.assign(scheduled_departures=scheduled).dropna(subset=["dep_delay"])
    return departed.assign(
        delay_min=departed["dep_delay"].clip(upper=delays["cap_min"]),
        late=departed["dep_delay"] >= delays["late_after_min"],
    ).reset_index(drop=True)


def clean_weather(weather: pd.DataFrame, cleaning: dict[str, int]) -> pd.DataFrame:
    """Put the weather on a gapless hourly grid, without impossible winds and short gaps."""
    wind = weather[["wind_speed", "wind_gust"]]
    plausible = weather.assign(**wind.where(wind <= cleaning["max_wind_mph"]))
    plausible["wind_gust"] = plausible["wind_gust"].fillna(plausible["wind_speed"])
    airports = [
        _fill_hours(airport.set_index("time_hour")[OBSERVATIONS], cleaning["max_gap_h"]).assign(
            origin=origin
        )
        for origin, airport in plausible.groupby("origin")
    ]
    return pd.concat(airports).reset_index()


def _fill_hours(airport: pd.DataFrame, max_gap_h: int) -> pd.DataFrame:
    """Interpolate the missing hours of one airport, up to `max_gap_h` in a row."""
    hours = pd.date_range(airport.index.min(), airport.index.max(), freq="h", name="time_hour")
    return airport.reindex(hours).interpolate("linear", limit=max_gap_h)


def join_weather(departed_flights: pd.DataFrame, hourly_weather: pd.DataFrame) -> pd.DataFrame:
    """Add the weather at the airport of departure in the scheduled hour."""
    return departed_flights.merge(
        hourly_weather, on=WEATHER_KEY, how="left", validate="many_to_one"
    )


def join_planes(flights_in_weather: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    """Add the plane that flew; one flight in six names a plane that no table knows."""
    joined = flights_in_weather.merge(planes, on="tailnum", how="left", validate="many_to_one")
    known_share = joined["engine"].notna().mean()
    logger.info("%.1f %% of the departures have a known plane", 100 * known_share)
    return joined


def partition_by_month(departures: pd.DataFrame, months: list[str]) -> dict[str, pd.DataFrame]:
    """Cut the departures into one table a month, named like `2013-01`; only some, if named."""
    month_of = departures["date"].dt.strftime("%Y-%m")
    return {
        str(month): part.reset_index(drop=True)
        for month, part in departures.groupby(month_of)
        if not months or month in months
    }
