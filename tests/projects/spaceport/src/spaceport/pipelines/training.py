"""Fit one price model for each origin: the same pipeline in two namespaces."""

from kedro.pipeline import node, pipeline


def select_origin(model_input, origin):
    """Return the shuttles of one origin as lists."""
    rows = model_input[model_input["origin"] == origin]
    return {"seats": rows["seats"].tolist(), "price": rows["price"].tolist()}


def fit_price(features, options):
    """Fit price = a + b * seats by least squares."""
    seats, price = features["seats"], features["price"]
    mean_x, mean_y = sum(seats) / len(seats), sum(price) / len(price)
    spread = sum((x - mean_x) ** 2 for x in seats) + options["ridge"]
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(seats, price, strict=True)) / spread
    return {"intercept": mean_y - slope * mean_x, "slope": slope}


def create_pipeline():
    """Return the training pipeline of both origins."""
    template = pipeline(
        [
            node(select_origin, ["model_input", "params:origin"], "features", name="select"),
            node(fit_price, ["features", "params:options"], "model", name="fit"),
        ]
    )
    return sum(
        pipeline(
            template,
            namespace=origin,
            inputs={"model_input"},
            parameters={"params:options": "params:training.options"},
            tags=["weekly", origin],
        )
        for origin in ("north", "south")
    )
