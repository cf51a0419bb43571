"""The page of findings, in Markdown."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

BUSY_DEPARTURES_SHARE = 0.01


def write_report(
    *,
    by_hour: pd.DataFrame,
    by_month: pd.DataFrame,
    by_carrier: pd.DataFrame,
    scores: list[dict[str, Any]],
    delays: dict[str, int],
) -> str:
    """Write what the year shows, one section for each question."""
    sections = [
        "# Departure delays in New York, 2013",
        _overview(by_month, delays["late_after_min"]),
        "![Departure delays](delays.png)",
        "## When\n\n" + _when(by_hour, by_month),
        "## With whom\n\n" + _carriers(by_carrier),
        "## Could one have known?\n\n" + _models(scores),
    ]
    return "\n\n".join(sections) + "\n"


def _overview(by_month: pd.DataFrame, late_after_min: int) -> str:
    departures = by_month["departures"].sum()
    late_share = (by_month["late_share"] * by_month["departures"]).sum() / departures
    return (
        f"{departures:,} flights left EWR, JFK and LGA. {late_share:.1%} of them left "
        f"{late_after_min} minutes late or more."
    )


def _when(by_hour: pd.DataFrame, by_month: pd.DataFrame) -> str:
    # A handful of flights leaves at odd hours: too few to call one the worst.
    busy = by_hour["departures"] >= BUSY_DEPARTURES_SHARE * by_hour["departures"].sum()
    slot = _latest(by_hour[busy])
    worst = _latest(by_month)
    best = by_month.iloc[by_month["late_share"].argmin()]
    return (
        f"Delays pile up over the day: worst is {slot['origin']} at {slot['hour']}:00, where "
        f"{slot['late_share']:.1%} leave late. The best month was {best['month']} "
        f"({best['late_share']:.1%} late), the worst {worst['month']} "
        f"({worst['late_share']:.1%})."
    )


def _latest(groups: pd.DataFrame) -> pd.Series:
    """Return the group with the largest share of late departures, the first among equals."""
    return groups.iloc[groups["late_share"].argmax()]


def _carriers(by_carrier: pd.DataFrame) -> str:
    rows = (
        (str(row.name), f"{row.departures:,}", f"{row.mean_delay_min:.1f}", f"{row.late_share:.1%}")
        for row in by_carrier.itertuples(index=False)
    )
    return _table(("Carrier", "Departures", "Mean delay (min)", "Late"), rows)


def _models(scores: list[dict[str, Any]]) -> str:
    table = _table(("Model", "RMSE (min)", "MAE (min)", "R²", "ROC AUC"), map(_scores, scores))
    return f"{table}\n\nMeasured on {scores[0]['departures']:,} departures of held-out days."


def _scores(score: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        score["model"],
        f"{score['rmse_min']:.2f}",
        f"{score['mae_min']:.2f}",
        f"{score['r2']:.3f}",
        f"{score['roc_auc']:.3f}",
    )


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Format a Markdown table whose first column is text and whose others are numbers."""
    rule = ("---", *("---:" for _ in header[1:]))
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))
