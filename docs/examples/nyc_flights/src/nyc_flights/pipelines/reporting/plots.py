"""The plot: four views of the delays and two of the models."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import PercentFormatter
from sklearn.metrics import roc_auc_score, roc_curve

INK, MUTED, GRID = "#22303c", "#66788a", "#e4e9ee"
AIRPORTS = {"EWR": "#d1495b", "JFK": "#00798c", "LGA": "#edae49"}
MODELS = {"ridge": "#8d99ae", "boosting": "#d1495b"}
BAR = "#4f7cac"
RISK_CLASSES = 10
MIN_DEPARTURES_SHARE = 0.002


def plot_delays(  # noqa: PLR0913  (one argument a panel or model)
    *,
    by_hour: pd.DataFrame,
    by_month: pd.DataFrame,
    by_carrier: pd.DataFrame,
    by_weather: pd.DataFrame,
    ridge: pd.DataFrame,
    boosting: pd.DataFrame,
) -> Figure:
    """Draw delays by hour, month, carrier and visibility, and how well they were predicted."""
    layout = ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.15)
    figure = Figure(figsize=(15, 9), layout=layout, facecolor="white")
    figure.suptitle(
        "Leaving New York late, 2013", x=0.012, ha="left", fontsize=20, weight="bold", color=INK
    )
    (hours, months, carriers), (weather, roc, calibration) = figure.subplots(2, 3)
    predictions = {"ridge": ridge, "boosting": boosting}
    _plot_hours(hours, by_hour)
    _plot_months(months, by_month)
    _plot_carriers(carriers, by_carrier)
    _plot_weather(weather, by_weather)
    _plot_roc(roc, predictions)
    _plot_calibration(calibration, predictions)
    return figure


def _plot_hours(axes: Axes, by_hour: pd.DataFrame) -> None:
    _style(axes, "Delays pile up over the day", "Mean delay in minutes, by scheduled hour")
    frequent = by_hour["departures"] >= MIN_DEPARTURES_SHARE * by_hour["departures"].sum()
    for origin, airport in by_hour[frequent].groupby("origin"):
        colour = AIRPORTS[str(origin)]
        axes.plot(airport["hour"], airport["mean_delay_min"], color=colour, lw=2.5, label=origin)
    axes.set_xticks(range(6, 24, 3), [f"{hour}:00" for hour in range(6, 24, 3)])
    axes.legend(frameon=False, labelcolor=INK)


def _plot_months(axes: Axes, by_month: pd.DataFrame) -> None:
    _style(axes, "Summer and the holidays are worst", "Share of departures leaving late, by month")
    names = pd.to_datetime(by_month["month"]).dt.strftime("%b").str[0]
    axes.bar(range(len(names)), by_month["late_share"], color=BAR, width=0.72)
    axes.set_xticks(range(len(names)), names)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def _plot_carriers(axes: Axes, by_carrier: pd.DataFrame) -> None:
    _style(axes, "Carriers differ widely", "Share of departures leaving late, by carrier")
    ranked = by_carrier.iloc[::-1]
    bars = axes.barh(ranked["name"], ranked["late_share"], color=BAR, height=0.72)
    axes.bar_label(bars, fmt="{:.0%}", padding=3, fontsize=8, color=MUTED)
    axes.tick_params(axis="y", labelsize=8)
    axes.xaxis.set_visible(False)
    axes.grid(visible=False)


def _plot_weather(axes: Axes, by_weather: pd.DataFrame) -> None:
    _style(axes, "Fog costs time", "Share of departures leaving late, by visibility in miles")
    classes = by_weather["visibility_miles"]
    bars = axes.bar(classes, by_weather["late_share"], color=BAR, width=0.72)
    labels = [f"{count:,}\nflights" for count in by_weather["departures"]]
    axes.bar_label(bars, labels, label_type="center", fontsize=8, color="white")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def _plot_roc(axes: Axes, predictions: dict[str, pd.DataFrame]) -> None:
    _style(axes, "Who will be late?", "Late flights found against false alarms, held-out days")
    axes.plot([0, 1], [0, 1], color=MUTED, lw=1, ls=":")
    for model, table in predictions.items():
        false_alarms, found, _ = roc_curve(table["late"], table["predicted_min"])
        area = roc_auc_score(table["late"], table["predicted_min"])
        label = f"{model}, AUC {area:.2f}"
        axes.plot(false_alarms, found, color=MODELS[model], lw=2.5, label=label)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(frameon=False, labelcolor=INK, loc="lower right")


def _plot_calibration(axes: Axes, predictions: dict[str, pd.DataFrame]) -> None:
    _style(axes, "Do forecasts come true?", "Actual against predicted mean delay (min), by decile")
    for model, table in predictions.items():
        ranks = table["predicted_min"].rank(method="first")
        means = table.groupby(pd.qcut(ranks, RISK_CLASSES, labels=False))[
            ["predicted_min", "delay_min"]
        ].mean()
        x, y = means["predicted_min"], means["delay_min"]
        axes.plot(x, y, color=MODELS[model], lw=2.5, marker="o", label=model)
    axes.axline((0, 0), slope=1, color=MUTED, lw=1, ls=":")
    axes.legend(frameon=False, labelcolor=INK, loc="upper left")


def _style(axes: Axes, title: str, subtitle: str) -> None:
    """Give a panel its headline, and take away every line that says nothing."""
    axes.set_title(title, loc="left", fontsize=13, weight="bold", color=INK, pad=24)
    axes.text(0, 1.03, subtitle, transform=axes.transAxes, fontsize=9.5, color=MUTED)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.tick_params(colors=MUTED, length=0)
    axes.grid(axis="y", color=GRID)
    axes.set_axisbelow(True)
