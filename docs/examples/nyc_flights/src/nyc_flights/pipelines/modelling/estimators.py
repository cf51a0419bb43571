"""The estimators that the parameters can name."""

from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, SplineTransformer, StandardScaler


def build_estimator(features: dict[str, list[str]], options: dict[str, Any]) -> Pipeline:
    """Build the unfitted model `options["estimator"]`, with its own preprocessing."""
    builders = {"ridge": _ridge, "boosting": _boosting}
    name = options["estimator"]
    if name not in builders:
        message = f"Cannot build estimator '{name}': expected one of {sorted(builders)}."
        raise ValueError(message)
    return builders[name](features, options)


def _ridge(features: dict[str, list[str]], options: dict[str, Any]) -> Pipeline:
    """Ridge regression on one-hot categories, splines and scaled numbers."""
    straight = [name for name in features["numeric"] if name not in options["cyclic"]]
    columns = ColumnTransformer(
        [
            ("category", OneHotEncoder(handle_unknown="ignore"), features["categorical"]),
            ("cyclic", SplineTransformer(n_knots=6), options["cyclic"]),
            ("number", make_pipeline(SimpleImputer(), StandardScaler()), straight),
        ],
        sparse_threshold=0,
    )
    return make_pipeline(columns, Ridge(solver="cholesky", **options["settings"]))


def _boosting(features: dict[str, list[str]], options: dict[str, Any]) -> Pipeline:
    """Gradient boosted trees, which take categories and missing numbers as they are."""
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=float("nan"))
    columns = ColumnTransformer(
        [("category", encoder, features["categorical"])], remainder="passthrough"
    )
    trees = HistGradientBoostingRegressor(
        categorical_features=list(range(len(features["categorical"]))),
        early_stopping=False,
        **options["settings"],
    )
    return make_pipeline(columns, trees)
