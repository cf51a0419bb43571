"""The order of the reporting."""

from kedro.pipeline import Node, Pipeline

from . import nodes, plots, text


def create_pipeline(**_: object) -> Pipeline:
    """Summarise delays, compare the models, then draw and write about both."""
    return Pipeline([*_summaries(), *_publications()], tags="report")


def _summaries() -> list[Node]:
    return [
        Node(
            nodes.summarise_delays,
            inputs=["departures", "raw_airlines"],
            outputs={
                "hour": "delays_by_hour",
                "carrier": "delays_by_carrier",
                "weather": "delays_by_weather",
            },
            name="summarise_delays",
        ),
        Node(
            nodes.summarise_months,
            inputs="departures_by_month",
            outputs="delays_by_month",
            name="summarise_months",
        ),
        Node(
            nodes.compare_models,
            inputs={"ridge": "linear.metrics", "boosting": "boosting.metrics"},
            outputs="model_scores@table",
            name="compare_models",
        ),
    ]


def _publications() -> list[Node]:
    summaries = {f"by_{group}": f"delays_by_{group}" for group in ("hour", "month", "carrier")}
    return [
        Node(
            plots.plot_delays,
            inputs={
                **summaries,
                "by_weather": "delays_by_weather",
                "ridge": "linear.predictions",
                "boosting": "boosting.predictions",
            },
            outputs="delay_plot",
            name="plot_delays",
        ),
        Node(
            text.write_report,
            inputs={**summaries, "scores": "model_scores@records", "delays": "params:delays"},
            outputs="delay_report",
            name="write_report",
        ),
    ]
