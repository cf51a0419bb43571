"""The order of the modelling."""

from kedro.pipeline import Node, Pipeline

from . import nodes

NAMESPACES = ("linear", "boosting")


def create_pipeline(**_: object) -> Pipeline:
    """Split once, then train and judge the model of each namespace on the same days."""
    split = Node(
        nodes.split_by_day,
        inputs=["features", "params:split"],
        outputs=["train_departures", "test_departures"],
        name="split_by_day",
        tags="split",
    )
    return Pipeline([split]) + sum((_model(name) for name in NAMESPACES), start=Pipeline([]))


def _model(namespace: str) -> Pipeline:
    """Train, predict and judge, with the parameters and datasets of `namespace`."""
    train = Node(
        nodes.train_model,
        inputs=["train_departures", "params:features", "params:options"],
        outputs="model",
        name="train_model",
        tags="training",
    )
    predict = Node(
        nodes.predict_delays,
        inputs=["model", "test_departures", "params:features"],
        outputs="predictions",
        name="predict_delays",
        tags="inference",
    )
    evaluate = Node(
        nodes.evaluate_model, inputs="predictions", outputs="metrics", name="evaluate_model"
    )
    return Pipeline(
        [train, predict, evaluate],
        namespace=namespace,
        inputs={"train_departures", "test_departures"},
        parameters={"features"},
        tags=namespace,
    )
