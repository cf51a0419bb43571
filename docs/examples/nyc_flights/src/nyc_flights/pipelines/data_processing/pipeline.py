"""The order of the data processing."""

from kedro.pipeline import Node, Pipeline

from . import features, nodes


def create_pipeline(**_: object) -> Pipeline:
    """Ingest and check the raw files, join them and compute features."""
    return Pipeline([*_ingest(), *_join(), *_derive()], tags="data")


def _ingest() -> list[Node]:
    return [
        Node(
            nodes.ingest_flights,
            inputs=["raw_flights", "params:sampling"],
            outputs="flights",
            name="ingest_flights",
            tags="ingest",
        ),
        Node(
            nodes.ingest_weather,
            inputs="raw_weather",
            outputs="weather",
            name="ingest_weather",
            tags="ingest",
        ),
        Node(
            nodes.ingest_planes,
            inputs="raw_planes",
            outputs="planes",
            name="ingest_planes",
            tags="ingest",
        ),
        Node(
            nodes.check_flights,
            inputs=["flights", "params:quality"],
            outputs=None,
            name="check_flights",
            tags="quality",
        ),
    ]


def _join() -> list[Node]:
    return [
        Node(
            nodes.clean_flights,
            inputs=["flights", "params:delays"],
            outputs="departed_flights",
            name="clean_flights",
            tags="clean",
        ),
        Node(
            nodes.clean_weather,
            inputs=["weather", "params:cleaning"],
            outputs="hourly_weather",
            name="clean_weather",
            tags="clean",
        ),
        Node(
            nodes.join_weather,
            inputs=["departed_flights", "hourly_weather"],
            outputs="flights_in_weather",
            name="join_weather",
            tags="join",
        ),
        Node(
            nodes.join_planes,
            inputs=["flights_in_weather", "planes"],
            outputs="departures",
            name="join_planes",
            tags="join",
        ),
    ]


def _derive() -> list[Node]:
    return [
        Node(
            nodes.partition_by_month,
            inputs=["departures", "params:months"],
            outputs="departures_by_month",
            name="partition_by_month",
            tags="publish",
        ),
        Node(
            features.build_features,
            inputs=["departures", "raw_airports", "params:features"],
            outputs="features",
            name="build_features",
            tags="features",
        ),
    ]
